"""How something is called, as its source says it."""

import ast
import re
from collections.abc import Iterator
from functools import cache

from apireference.source import Function, decorators, name_of

WIDTH = 110


def text_of(node: ast.expr | None, source: str) -> str:
    """The source of an expression, in one line. Not ``ast.unparse``: that differs between versions of Python."""
    if node is None:
        return ""
    lines = _lines(source)
    first, last = node.lineno - 1, node.end_lineno or node.lineno
    chosen = [*lines[first:last]]
    chosen[-1] = chosen[-1][: node.end_col_offset]
    chosen[0] = chosen[0][node.col_offset :]
    segment = b"\n".join(chosen).decode()
    return re.sub(r"\s+", " ", re.sub(r"\s*#.*", "", segment)).replace("( ", "(").replace(", )", ")")


@cache
def _lines(source: str) -> tuple[bytes, ...]:
    """As bytes, which is what positions in the tree count."""
    return tuple(source.encode().splitlines())


def function_signature(node: Function, source: str) -> str:
    """With the words by which it is used: ``async``, ``with``."""
    call = f"{node.name}({', '.join(_parameters(node, source))})"
    if "contextmanager" in decorators(node):
        return f"with {call}"
    if "asynccontextmanager" in decorators(node):
        return f"async with {call}"
    prefix = "async " if isinstance(node, ast.AsyncFunctionDef) else ""
    return f"{prefix}{call}" + (f" -> {text_of(node.returns, source)}" if node.returns else "")


def property_signature(node: Function, source: str) -> str:
    return f"{node.name}: {text_of(node.returns, source)}"


def class_signature(node: ast.ClassDef, source: str) -> str:
    """By its ``__init__``, else by its fields; else what it derives from."""
    for statement in node.body:
        if isinstance(statement, ast.FunctionDef) and statement.name == "__init__":
            return f"{node.name}({', '.join(_parameters(statement, source))})"
    bases = ", ".join(text_of(base, source) for base in node.bases)
    if "dataclass" in decorators(node) or "NamedTuple" in bases or "Struct" in bases:
        return f"{node.name}({', '.join(_fields(node, source))})"
    return f"{node.name}({bases})" if bases else node.name


def value_signature(node: ast.Assign | ast.AnnAssign, source: str) -> str:
    value = text_of(node.value, source)
    return f"{name_of(node)} = {value}" if value else name_of(node)


def wrapped(call: str) -> str:
    """A call that is too long for a line has a parameter on each."""
    if len(call) <= WIDTH or "(" not in call:
        return call
    head, _, rest = call.partition("(")
    parts, depth, current, tail = [], 0, "", ""
    for position, character in enumerate(rest):
        if depth == 0 and character == ")":
            tail = rest[position:]
            break
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth == 0:
            parts.append(current.strip())
            current = ""
        else:
            current += character
    parts.append(current.strip())
    return "\n".join([f"{head}(", *(f"    {part}," for part in parts if part), tail])


def _parameters(node: Function, source: str) -> Iterator[str]:
    """Each as in the source, without ``self`` and ``cls``."""
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults)) + list(arguments.defaults)
    for number, (argument, default) in enumerate(zip(positional, defaults, strict=True)):
        if number == 0 and argument.arg in ("self", "cls"):
            continue
        yield _parameter(argument, default, source)
        if arguments.posonlyargs and argument is arguments.posonlyargs[-1]:
            yield "/"
    if arguments.vararg:
        yield f"*{_parameter(arguments.vararg, None, source)}"
    elif arguments.kwonlyargs:
        yield "*"
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        yield _parameter(argument, default, source)
    if arguments.kwarg:
        yield f"**{_parameter(arguments.kwarg, None, source)}"


def _parameter(argument: ast.arg, default: ast.expr | None, source: str) -> str:
    annotation = f": {text_of(argument.annotation, source)}" if argument.annotation else ""
    return f"{argument.arg}{annotation}" + (f" = {text_of(default, source)}" if default is not None else "")


def _fields(node: ast.ClassDef, source: str) -> Iterator[str]:
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign) and not name_of(statement).startswith("_"):
            default = f" = {text_of(statement.value, source)}" if statement.value else ""
            yield f"{name_of(statement)}: {text_of(statement.annotation, source)}{default}"
