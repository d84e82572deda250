"""Sets of replica indexes as one short string, in the form of a batch/v1 Job's ``completedIndexes``: ``0-3,5``."""

from collections.abc import Iterable


def format_indexes(indexes: Iterable[int]) -> str:
    """Ascending, runs of three or more as ``first-last``; two neighbours stay apart, as in a Job's status."""
    runs: list[tuple[int, int]] = []
    for index in sorted(set(indexes)):
        if runs and runs[-1][1] == index - 1:
            runs[-1] = (runs[-1][0], index)
        else:
            runs.append((index, index))
    return ",".join(_format_run(first, last) for first, last in runs)


def _format_run(first: int, last: int) -> str:
    if first == last:
        return str(first)
    return f"{first},{last}" if last == first + 1 else f"{first}-{last}"


def parse_indexes(text: str) -> frozenset[int]:
    """The inverse. Pieces that are neither a number nor a range are skipped: a status is never a reason to fail."""
    indexes: set[int] = set()
    for piece in text.split(","):
        first, _, last = piece.strip().partition("-")
        if first.isdecimal() and (last or first).isdecimal():
            indexes.update(range(int(first), int(last or first) + 1))
    return frozenset(indexes)
