"""Tables of results, for a terminal and for a page."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table as RichTable

from bench.runtime.runs import Results
from bench.runtime.summary import Spread, spreads

NAMES = {
    "kdl": "kdl_runtime",
    "kdl-projected": "kdl_runtime, projections only",
    "kdl-whole": "kdl_runtime, reading whole objects",
    "kopf": "kopf",
    "kopf-keeping": "kopf and a dict of objects",
    "lightkube": "lightkube and a loop",
    "kubernetes": "official client, informer",
}


@dataclass(frozen=True)
class Table:
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        lines = [f"### {self.title}", "", _line(self.columns), _line(["---"] + ["---:"] * (len(self.columns) - 1))]
        return "\n".join([*lines, *map(_line, self.rows)])

    def show(self, console: Console) -> None:
        table = RichTable(title=self.title, title_justify="left")
        for number, column in enumerate(self.columns):
            table.add_column(column, justify="right" if number else "left")
        for row in self.rows:
            table.add_row(*row)
        console.print(table)


@dataclass(frozen=True)
class Column:
    """A figure of the outcomes. ``scale`` is what it is divided by; ``digits`` after the point."""

    title: str
    figure: str
    scale: float = 1.0
    digits: int = 0

    def cell(self, values: Spread) -> str:
        median, low, high = (self._number(value) for value in (values.median, values.low, values.high))
        return median if low == high else f"{median} ({low} to {high})"

    def _number(self, value: float) -> str:
        return f"{value / self.scale:,.{self.digits}f}"


@dataclass(frozen=True)
class Comparison:
    """How many times better kdl_runtime is in one figure."""

    figure: str
    more_is_better: bool = False

    def cell(self, ours: Spread, theirs: Spread) -> str:
        ratio = ours.median / theirs.median if self.more_is_better else theirs.median / ours.median
        return f"{ratio:,.1f}"


def compare(results: Results, title: str, columns: Sequence[Column], by: Comparison) -> Table:
    """A row for each contender, the last column compared with kdl_runtime's."""
    ours = spreads(results.outcomes["kdl"])
    rows = []
    for contender in results.measurement.contenders:
        name = NAMES[contender]
        if contender in results.left_out:
            rows.append([name, f"no result: {results.left_out[contender]}", *[""] * len(columns)])
            continue
        found = spreads(results.outcomes[contender])
        cells = [column.cell(found[column.figure]) for column in columns]
        rows.append([name, *cells, by.cell(ours[by.figure], found[by.figure])])
    return Table(title, ["", *(column.title for column in columns), "kdl_runtime is better by"], rows)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
