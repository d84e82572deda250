"""The public names of a module: found in its source, which is read and not imported, so that a page is the same
wherever it is made."""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = ast.ClassDef | Function | ast.Assign | ast.AnnAssign

_NO_VALUES = ("TypeVar", "get_logger", "ContextVar")


@dataclass(frozen=True)
class Entry:
    """A public name of a module, with its docstring: for a value that is the string below it."""

    name: str
    node: Definition
    doc: str
    source: str

    @property
    def is_value(self) -> bool:
        return isinstance(self.node, ast.Assign | ast.AnnAssign)

    @property
    def summary(self) -> str:
        """The first sentence."""
        text = " ".join(self.doc.split("\n\n")[0].split())
        return re.split(r"(?<=\.)\s(?=[A-Z`\"])", text, maxsplit=1)[0]


def path_of(module: str) -> Path:
    return SOURCE.joinpath(*module.split(".")).with_suffix(".py")


def module_doc(module: str) -> str:
    return ast.get_docstring(ast.parse(path_of(module).read_text())) or ""


def entries(module: str) -> list[Entry]:
    """In the order of the source."""
    source = path_of(module).read_text()
    found = []
    for node, doc in documented(ast.parse(source).body):
        name = name_of(node)
        if not name or name.startswith("_"):
            continue
        if isinstance(node, Function | ast.ClassDef):
            if "overload" not in decorators(node):
                found.append(Entry(name, node, doc, source))
        elif isinstance(node, ast.Assign | ast.AnnAssign) and not _is_machinery(node):
            found.append(Entry(name, node, doc, source))
    return found


def selected(module: str, names: Iterable[str]) -> list[Entry]:
    """Some names of a module, or all if none are given. LookupError for one that the module does not have."""
    found = entries(module)
    names = tuple(names)
    missing = set(names) - {entry.name for entry in found}
    if missing:
        raise LookupError(f"{module} has no {', '.join(sorted(missing))}: mend SECTIONS of hack/apireference")
    return [entry for entry in found if not names or entry.name in names]


def documented(body: list[ast.stmt]) -> Iterator[tuple[ast.stmt, str]]:
    """Each statement with its docstring, empty for none."""
    for node, following in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, Function | ast.ClassDef):
            yield node, ast.get_docstring(node) or ""
        elif (
            isinstance(following, ast.Expr)
            and isinstance(following.value, ast.Constant)
            and isinstance(following.value.value, str)
        ):
            yield node, re.sub(r"\n +", "\n", following.value.value)
        else:
            yield node, ""


def name_of(node: ast.stmt) -> str:
    """What the statement defines; empty for anything but a class, a function or one value."""
    if isinstance(node, Function | ast.ClassDef):
        return node.name
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return node.target.id
    return ""


def decorators(node: Function | ast.ClassDef) -> set[str]:
    """Their last names."""
    names = set()
    for decorator in node.decorator_list:
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        names.add(target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", ""))
    return names


def public_face(package: str) -> set[str]:
    """What a package lists in ``__all__``."""
    for node in ast.parse((SOURCE / package / "__init__.py").read_text()).body:
        if isinstance(node, ast.Assign) and name_of(node) == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


def _is_machinery(node: ast.Assign | ast.AnnAssign) -> bool:
    call = node.value.func if isinstance(node.value, ast.Call) else None
    name = call.id if isinstance(call, ast.Name) else call.attr if isinstance(call, ast.Attribute) else ""
    return name in _NO_VALUES
