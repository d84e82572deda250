"""The parts of a Markdown page that tests look at: fenced blocks, links, headings and inline code."""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
RUNTIME_DOCS = ROOT / "docs" / "runtime"

_FENCE = re.compile(r"^```(.*)$")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.*)$")
_CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Block:
    """A fenced block. ``info`` is what follows the fence: the language, and the words by which tests are told."""

    language: str
    words: tuple[str, ...]
    text: str
    line: int

    def word(self, name: str) -> str:
        """The value of ``name=value``; empty if it is not said."""
        return next((word.partition("=")[2] for word in self.words if word.startswith(f"{name}=")), "")


@dataclass(frozen=True)
class Page:
    path: Path
    text: str

    @classmethod
    def read(cls, path: Path) -> "Page":
        return cls(path, path.read_text())

    @property
    def blocks(self) -> list[Block]:
        """In the order of the page. ValueError for one that does not end."""
        found: list[Block] = []
        begun: Block | None = None
        lines: list[str] = []
        for number, line in enumerate(self.text.splitlines(), 1):
            fence = _FENCE.match(line)
            if begun is None and fence:
                language, *words = fence.group(1).split() or [""]
                begun, lines = Block(language, tuple(words), "", number), []
            elif begun is not None and line == "```":
                found.append(Block(begun.language, begun.words, "".join(f"{one}\n" for one in lines), begun.line))
                begun = None
            else:
                lines.append(line)
        if begun is not None:
            raise ValueError(f"{self.path}:{begun.line}: the block does not end")
        return found

    @property
    def prose(self) -> str:
        """The page without its blocks, which keep their lines."""
        lines, inside = [], False
        for line in self.text.splitlines():
            fenced = _FENCE.match(line) is not None
            lines.append("" if inside or fenced else line)
            inside = inside != fenced
        return "\n".join(lines)

    @property
    def links(self) -> list[str]:
        return _LINK.findall(self.prose)

    @property
    def codes(self) -> list[str]:
        """Inline code."""
        return _CODE.findall(self.prose)

    @property
    def anchors(self) -> set[str]:
        """What GitHub makes of the headings; those that come twice are numbered."""
        found: Counter[str] = Counter()
        anchors = set()
        for line in self.prose.splitlines():
            if match := _HEADING.match(line):
                name = anchor(_LINK.sub(lambda link: link.group(0)[1:].partition("]")[0], match.group(1)))
                anchors.add(f"{name}-{found[name]}" if found[name] else name)
                found[name] += 1
        return anchors

    def table_rows(self) -> list[list[str]]:
        """The cells of each row of each table, without headers and rules."""
        rows: list[list[str]] = []
        for line in self.prose.splitlines():
            if line.startswith("|"):
                cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
                if set(line) <= set("|-: "):
                    rows.pop()
                else:
                    rows.append(cells)
        return rows


def anchor(heading: str) -> str:
    """``## Own writes, and `get` `` is ``own-writes-and-get``."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def runtime_pages() -> list[Path]:
    """Those of the reference included."""
    return sorted(RUNTIME_DOCS.rglob("*.md"))
