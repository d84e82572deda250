"""The log of one run of a container: a file in the format of the container runtime interface.

Each line is ``<time> <stdout|stderr> <F|P> <text>``; P marks a part of a line that was too long.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from kdl_local.apiserver.logs import LogOptions
from kdl_runtime.clock import Clock
from kdl_runtime.codec.times import format_micro_time, parse_time

LONGEST_PART = 16 * 1024
_CHUNK = 256 * 1024


class LogFile:
    """Written by the kubelet while the container runs; read by any number of followers."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self._clock = clock
        self._pending = {"stdout": b"", "stderr": b""}
        self._followers: set[asyncio.Event] = set()
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    @property
    def closed(self) -> bool:
        return self._descriptor < 0

    def write(self, stream: str, data: bytes) -> None:
        """Output as it comes; what does not end in a newline waits for the rest of its line."""
        *lines, rest = (self._pending[stream] + data).split(b"\n")
        out = [self._entry(stream, line, "F") for line in lines]
        while len(rest) >= LONGEST_PART:
            out.append(self._entry(stream, rest[:LONGEST_PART], "P"))
            rest = rest[LONGEST_PART:]
        self._pending[stream] = rest
        self._append(out)

    def close(self) -> None:
        """No more output comes. A last line without a newline is kept as it is."""
        if self.closed:
            return
        self._append([self._entry(stream, rest, "P") for stream, rest in self._pending.items() if rest])
        os.close(self._descriptor)
        self._descriptor = -1
        self._notify()

    def subscribe(self) -> asyncio.Event:
        event = asyncio.Event()
        self._followers.add(event)
        return event

    def unsubscribe(self, event: asyncio.Event) -> None:
        self._followers.discard(event)

    def _entry(self, stream: str, text: bytes, tag: str) -> bytes:
        return f"{format_micro_time(self._clock.now())} {stream} {tag} ".encode() + text + b"\n"

    def _append(self, entries: list[bytes]) -> None:
        if entries:
            os.write(self._descriptor, b"".join(entries))
            self._notify()

    def _notify(self) -> None:
        for event in self._followers:
            event.set()


@dataclass(frozen=True, slots=True)
class Entry:
    time: bytes
    text: bytes
    complete: bool

    def rendered(self, *, timestamps: bool) -> bytes:
        prefix = self.time + b" " if timestamps else b""
        return prefix + self.text + (b"\n" if self.complete else b"")


def parse(line: bytes) -> Entry:
    time, _, tag, text = line.split(b" ", 3)
    return Entry(time, text, tag == b"F")


def tail(path: Path, lines: int) -> list[Entry]:
    """The last entries of a log, read from its end."""
    if lines <= 0:
        return []
    with path.open("rb") as file:
        position = file.seek(0, os.SEEK_END)
        data = b""
        while position > 0 and data.count(b"\n") <= lines:
            step = min(_CHUNK, position)
            position -= step
            file.seek(position)
            data = file.read(step) + data
    return [parse(line) for line in data.splitlines()[-lines:]]


def last_output(path: Path, lines: int = 80, size: int = 2048) -> str:
    """What the kubelet takes as termination message under ``FallbackToLogsOnError``."""
    text = b"".join(entry.rendered(timestamps=False) for entry in tail(path, lines))
    return text[-size:].decode(errors="replace")


async def read(path: Path, writer: LogFile | None, options: LogOptions, now: datetime) -> AsyncGenerator[bytes, None]:
    """The log in pieces, as the options ask; ``writer`` is the log's writer if the container still runs."""
    left = options.limit_bytes
    async for piece in _pieces(path, writer, options, _since(options, now)):
        if left is not None:
            piece, left = piece[:left], left - len(piece)
        if piece:
            yield piece
        if left is not None and left <= 0:
            return


async def _pieces(
    path: Path, writer: LogFile | None, options: LogOptions, since: datetime | None
) -> AsyncGenerator[bytes, None]:
    changed = writer.subscribe() if writer is not None and options.follow else None
    try:
        with path.open("rb") as file:
            if options.tail_lines is not None:
                _seek_tail(file.fileno(), path, options.tail_lines)
                file.seek(0, os.SEEK_CUR)
            rest = b""
            while True:
                if changed is not None:
                    changed.clear()
                done = writer is None or writer.closed
                while data := file.read(_CHUNK):
                    *lines, rest = (rest + data).split(b"\n")
                    yield b"".join(_rendered(lines, options, since))
                if changed is None or done:
                    return
                await changed.wait()
    finally:
        if writer is not None and changed is not None:
            writer.unsubscribe(changed)


def _seek_tail(descriptor: int, path: Path, lines: int) -> None:
    """Moves to where the last lines start."""
    size = path.stat().st_size
    wanted = tail(path, lines)
    length = sum(len(entry.time) + len(b" stdout F ") + len(entry.text) + 1 for entry in wanted)
    os.lseek(descriptor, size - length, os.SEEK_SET)


def _rendered(lines: list[bytes], options: LogOptions, since: datetime | None) -> Iterator[bytes]:
    for line in lines:
        entry = parse(line)
        if since is None or parse_time(entry.time.decode()) >= since:
            yield entry.rendered(timestamps=options.timestamps)


def _since(options: LogOptions, now: datetime) -> datetime | None:
    if options.since_seconds is not None:
        return datetime.fromtimestamp(now.timestamp() - options.since_seconds, now.tzinfo)
    return options.since_time
