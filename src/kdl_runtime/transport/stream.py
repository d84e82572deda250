"""Splits a stream of bytes into lines of any length.

Readers of HTTP libraries limit the length of a line, and one object of several megabytes would end a watch for ever.
"""

from collections.abc import AsyncGenerator, AsyncIterable


class LineSplitter:
    """Collects chunks as they come and gives out the complete lines, without their ends; empty lines are dropped.

    A line ends with LF or CRLF. Chunks may end anywhere, also inside of a character: lines are bytes and only cut at
    LF, which is never a part of another character in UTF-8. The cost is linear in the length, also for one line that
    comes in thousands of chunks.
    """

    def __init__(self) -> None:
        self._pending: list[bytes] = []

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that this chunk completes."""
        head, *lines = chunk.split(b"\n")
        if not lines:
            if head:
                self._pending.append(head)
            return []
        if self._pending:
            head = b"".join((*self._pending, head))
        rest = lines.pop()
        self._pending = [rest] if rest else []
        return [line for line in map(_without_return, (head, *lines)) if line]

    def finish(self) -> bytes:
        """What came after the last end of a line; empty if nothing did."""
        rest = b"".join(self._pending)
        self._pending = []
        return _without_return(rest)


def _without_return(line: bytes) -> bytes:
    return line[:-1] if line.endswith(b"\r") else line


async def split_lines(chunks: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
    """The lines of a stream as soon as they are complete; a last one without an end comes when the stream ends."""
    splitter = LineSplitter()
    async for chunk in chunks:
        for line in splitter.feed(chunk):
            yield line
    if rest := splitter.finish():
        yield rest
