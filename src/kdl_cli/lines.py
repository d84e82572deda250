"""Log lines of many sources on one output: split, labelled, coloured."""

from collections.abc import Callable, Iterator

import click

_COLOURS = ("cyan", "green", "yellow", "magenta", "blue", "bright_cyan", "bright_green", "bright_yellow")


class LineSplitter:
    """Cuts a stream of chunks into lines of text. Bytes that are no UTF-8 become the replacement character."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> Iterator[str]:
        """The lines that this chunk completes, without their line ends."""
        *complete, self._rest = (self._rest + chunk).split(b"\n")
        for line in complete:
            yield _text(line)

    def close(self) -> Iterator[str]:
        """The last line if it had no end."""
        if self._rest:
            yield _text(self._rest)
        self._rest = b""


def _text(line: bytes) -> str:
    return line.removesuffix(b"\r").decode("utf-8", errors="replace")


class Prefixes:
    """``[worker-0] `` before each line, one colour for each source, padded to the longest source known so far.

    Sources get their colours in the order in which they first speak. With ``enabled=False`` lines are left alone: the
    output of a single source is what the program printed.
    """

    def __init__(self, *, enabled: bool = True) -> None:
        self.enabled = enabled
        self._colours: dict[str, str] = {}
        self._width = 0

    def know(self, source: str) -> None:
        """Reserve a colour and the width before the first line, so that the columns do not move."""
        if source not in self._colours:
            self._colours[source] = _COLOURS[len(self._colours) % len(_COLOURS)]
            self._width = max(self._width, len(source))

    def apply(self, source: str, line: str) -> str:
        if not self.enabled:
            return line
        self.know(source)
        label = f"[{source}]".ljust(self._width + 2)
        return f"{click.style(label, fg=self._colours[source])} {line}"


Emit = Callable[[str, str], None]
"""Called with the source's name and one line of its log."""
