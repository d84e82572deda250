"""The pages of the reference, as Markdown."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from apireference.sections import SECTIONS, Section
from apireference.signatures import (
    class_signature,
    function_signature,
    property_signature,
    value_signature,
    wrapped,
)
from apireference.source import (
    ROOT,
    Entry,
    Function,
    decorators,
    documented,
    module_doc,
    name_of,
    path_of,
    public_face,
    selected,
)

DOCS = ROOT / "docs" / "runtime"
NOTE = "<!-- Made from the docstrings by hack/apireference: change those, then `make docs`. -->"


def pages() -> dict[Path, str]:
    """The text of every page by its path."""
    sections = {DOCS / "api" / f"{section.name}.md": section_page(section) for section in SECTIONS}
    return {DOCS / "api.md": index_page(), **sections}


def index_page() -> str:
    face = public_face("kdl_runtime")
    parts = [
        NOTE,
        "# API reference",
        "Made from the docstrings. Names in bold can be imported from `kdl_runtime` itself, the others from the module "
        "that their page names. What is not here may change at any time.",
    ]
    for section in SECTIONS:
        rows = ["| name | what it is |", "|---|---|"]
        seen: Counter[str] = Counter()
        for entry in _documented(section):
            shown = f"**{entry.name}**" if entry.name in face else entry.name
            # Names that differ in capitals only have headings of one anchor, which is then numbered.
            number = f"-{seen[entry.name.lower()]}" if seen[entry.name.lower()] else ""
            seen[entry.name.lower()] += 1
            summary = _in_one_line(entry.summary).replace("|", r"\|")
            rows.append(f"| [{shown}](api/{section.name}.md#{entry.name.lower()}{number}) | {summary} |")
        parts += [f"## [{section.title}](api/{section.name}.md)", "\n".join(rows)]
    return "\n\n".join(parts) + "\n"


def _documented(section: Section) -> Iterator[Entry]:
    for module, names in section.modules.items():
        yield from (entry for entry in selected(module, names) if entry.doc)


def section_page(section: Section) -> str:
    parts = [NOTE, f"# {section.title}", "[All names](../api.md) · [Concepts](../README.md)"]
    for module, names in section.modules.items():
        parts += [f"## [{module}](../../../{path_of(module).relative_to(ROOT)})", markdown(module_doc(module))]
        for undocumented, group in groupby(selected(module, names), lambda entry: not entry.doc):
            entries = list(group)
            parts += [_calls(entries)] if undocumented else [render(entry) for entry in entries]
    return "\n\n".join(parts) + "\n"


def _calls(entries: list[Entry]) -> str:
    """What needs no words: constants, and errors that are their name."""
    return "```text\n" + "\n".join(wrapped(signature(entry)) for entry in entries) + "\n```"


def render(entry: Entry) -> str:
    parts = [f"### {entry.name}", f"```text\n{wrapped(signature(entry))}\n```", markdown(entry.doc)]
    if isinstance(entry.node, ast.ClassDef):
        parts.append("\n".join(_members(entry.node, entry.source)))
    return "\n\n".join(part for part in parts if part)


def signature(entry: Entry) -> str:
    node = entry.node
    if isinstance(node, Function):
        return function_signature(node, entry.source)
    if isinstance(node, ast.ClassDef):
        return class_signature(node, entry.source)
    return value_signature(node, entry.source)


def _members(node: ast.ClassDef, source: str) -> Iterator[str]:
    for statement, doc in documented(node.body):
        name = name_of(statement)
        if not name or (name.startswith("_") and name != "__call__"):
            continue
        told = f"  \n  {_in_one_line(doc)}" if doc else ""
        if isinstance(statement, Function):
            if {"overload", "setter"} & decorators(statement):
                continue
            of_property = bool({"property", "cached_property"} & decorators(statement))
            call = (property_signature if of_property else function_signature)(statement, source)
            yield f"- `{call}`{told}"
        elif told:
            yield f"- `{name}`{told}"


def markdown(doc: str) -> str:
    """A docstring as Markdown: inline code, and a block after a line that ends with two colons."""
    lines: list[str] = []
    inside = False
    for line in doc.splitlines():
        if inside and line and not line.startswith("    "):
            lines += ["```", ""]
            inside = False
        if inside:
            lines.append(line.removeprefix("    "))
        elif line.endswith("::"):
            lines += [line[:-1].replace("``", "`"), "", "```text"]
            inside = True
        else:
            lines.append(line.replace("``", "`"))
    if inside:
        lines.append("```")
    # The empty lines around an indented block are not part of it.
    return re.sub(r"\n\n+```$", "\n```", re.sub(r"```text\n\n+", "```text\n", "\n".join(lines)), flags=re.MULTILINE)


def _in_one_line(doc: str) -> str:
    return " ".join(doc.replace("``", "`").split())
