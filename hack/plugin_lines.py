#!/usr/bin/env python3
"""Lines of code of each framework plugin: ``python hack/plugin_lines.py``.

A line of code is one with a token that is neither a comment nor part of a docstring nor of an import. What a plugin
imports says nothing about its kind, and the formatter gives each name a line of its own.
"""

import ast
import io
import statistics
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

PLUGINS = Path(__file__).resolve().parents[1] / "src" / "kdl_workloads" / "frameworks"
NO_PLUGINS = frozenset({"__init__", "registry"})
OF_THEIR_OWN = frozenset({"mpi_ssh"})
"""What another operator is for: MPIJobs of v2beta1 have nothing in common with those of v1 but the names of roles."""
MAX_SIMPLEST, MAX_MEDIAN, MAX_LARGEST = 30, 60, 150
_LAYOUT = frozenset(
    {
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENCODING,
        tokenize.ENDMARKER,
    }
)


def code_lines(source: str) -> int:
    """How many lines of a module are code."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in _LAYOUT:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in _not_counted(ast.parse(source)):
        lines.difference_update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(lines)


def _not_counted(module: ast.Module) -> Iterator[ast.stmt]:
    for node in ast.walk(module):
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Expr) and _says_nothing(node):
            yield node


def _says_nothing(node: ast.stmt) -> bool:
    if not isinstance(node, ast.Expr):
        return True
    return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def plugins() -> dict[str, int]:
    """Lines of code by the name of the plugin, the fewest first: of its module, and of those whose names go on from
    there (``mpi_files`` is a part of ``mpi``)."""
    found: Counter[str] = Counter()
    for path in PLUGINS.glob("*.py"):
        if path.stem not in NO_PLUGINS:
            plugin = path.stem if path.stem in OF_THEIR_OWN else path.stem.partition("_")[0]
            found[plugin] += code_lines(path.read_text())
    return dict(sorted(found.items(), key=lambda item: item[1]))


def main() -> None:
    counts = plugins()
    for name, count in counts.items():
        print(f"{count:5}  {name}")
    print(f"{statistics.median(counts.values()):5g}  median of {len(counts)}")


if __name__ == "__main__":
    main()
