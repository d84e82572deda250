"""Tables as kubectl prints them: left-aligned columns, three spaces apart, no lines."""

from collections.abc import Sequence
from dataclasses import dataclass

import click

GAP = "   "
_COLOURS = {
    "Succeeded": "green",
    "Completed": "green",
    "Running": "cyan",
    "Created": "blue",
    "Queuing": "blue",
    "Pending": "yellow",
    "Restarting": "yellow",
    "Suspended": "yellow",
    "Warning": "yellow",
    "Failed": "red",
    "Error": "red",
}


@dataclass(frozen=True, slots=True)
class Column:
    """``wide``: shown with ``-o wide`` only."""

    title: str
    wide: bool = False


def columns(*titles: str, wide: Sequence[str] = ()) -> tuple[Column, ...]:
    return (*(Column(title) for title in titles), *(Column(title, wide=True) for title in wide))


def state(word: str) -> str:
    """A state in its colour. ``click.echo`` takes the colour away again where stdout is no terminal."""
    colour = _COLOURS.get(word)
    return click.style(word, fg=colour) if colour else word


def render(
    heads: Sequence[Column], rows: Sequence[Sequence[object]], *, wide: bool = False, header: bool = True
) -> list[str]:
    """The lines of a table. A row has one cell for each column, those that are not shown included. An empty cell is
    printed as ``<none>``, as in kubectl, so that columns can be cut by white space."""
    return Table(heads, wide=wide, header=header).lines(rows)


class Table:
    """A table that goes on: the header comes with the first rows, and later rows keep to the columns of earlier ones,
    as long as their cells fit."""

    def __init__(self, heads: Sequence[Column], *, wide: bool = False, header: bool = True) -> None:
        self._shown = [i for i, head in enumerate(heads) if wide or not head.wide]
        self._header = [[heads[i].title for i in self._shown]] if header else []
        self._widths = [0] * len(self._shown)

    def lines(self, rows: Sequence[Sequence[object]]) -> list[str]:
        cells, self._header = self._header, []
        cells += [["<none>" if row[i] in ("", None) else str(row[i]) for i in self._shown] for row in rows]
        for line in cells:
            self._widths = [max(width, _length(cell)) for width, cell in zip(self._widths, line, strict=True)]
        return [
            GAP.join(
                cell + " " * (width - _length(cell)) for cell, width in zip(line, self._widths, strict=True)
            ).rstrip()
            for line in cells
        ]


def _length(cell: str) -> int:
    return len(click.unstyle(cell))


def fields(pairs: Sequence[tuple[str, str]], indent: str = "") -> list[str]:
    """``Name:   value`` lines with the values in one column; pairs without a value are left out."""
    present = [(name, value) for name, value in pairs if value]
    width = max((len(name) for name, _ in present), default=0) + 1
    return [f"{indent}{name + ':':<{width}}   {value}" for name, value in present]
