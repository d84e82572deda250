"""Writes docs/runtime/api.md and docs/runtime/api/: the public names of the runtime, from their docstrings.

    PYTHONPATH=hack python -m apireference [--check]

``--check`` writes nothing, and fails when a page is not what the source says.
"""

import sys

from apireference.pages import DOCS, pages
from apireference.source import ROOT


def main(arguments: list[str]) -> int:
    made = pages()
    stale = [path for path, text in made.items() if not path.exists() or path.read_text() != text]
    if "--check" in arguments:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is not what the docstrings say: make docs", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(exist_ok=True)
        path.write_text(made[path])
    print(f"{len(stale)} of {len(made)} pages below {DOCS.relative_to(ROOT)} have changed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
