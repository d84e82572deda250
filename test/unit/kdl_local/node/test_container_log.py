import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kdl_local.apiserver.logs import LogOptions
from kdl_local.node.container_log import LONGEST_PART, LogFile, last_output, read

START = datetime(2026, 1, 1, tzinfo=UTC)


class SteppingClock:
    """One second later at each look."""

    def __init__(self) -> None:
        self.looks = 0

    def now(self) -> datetime:
        self.looks += 1
        return START + timedelta(seconds=self.looks - 1)

    def monotonic(self) -> float:
        return float(self.looks)

    async def sleep(self, seconds: float) -> None: ...


@pytest.fixture
def log(tmp_path: Path) -> Iterator[LogFile]:
    file = LogFile(tmp_path / "0.log", SteppingClock())
    yield file
    file.close()


WHOLE = LogOptions("c")


async def text(log: LogFile, options: LogOptions = WHOLE, writer: LogFile | None = None) -> str:
    pieces = read(log.path, writer, options, START + timedelta(seconds=100))
    return b"".join([piece async for piece in pieces]).decode()


async def test_lines_are_told_as_they_were_written(log: LogFile) -> None:
    log.write("stdout", b"one\ntw")
    log.write("stderr", b"other\n")
    log.write("stdout", b"o\n")
    assert await text(log) == "one\nother\ntwo\n"


async def test_a_last_line_without_end(log: LogFile) -> None:
    log.write("stdout", b"one\nrest")
    log.close()
    assert await text(log) == "one\nrest"


async def test_long_lines_and_odd_bytes_survive(log: LogFile) -> None:
    line = b"x" * (2 * LONGEST_PART + 5) + b"\xff\n"
    log.write("stdout", line)
    log.write("stdout", b"\n\nend\n")
    pieces = [piece async for piece in read(log.path, None, LogOptions("c"), START)]
    assert b"".join(pieces) == line + b"\n\nend\n"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (LogOptions("c", tail_lines=2), "l8\nl9\n"),
        (LogOptions("c", tail_lines=0), ""),
        (LogOptions("c", tail_lines=100), "".join(f"l{n}\n" for n in range(10))),
        (LogOptions("c", limit_bytes=5), "l0\nl1"),
        (LogOptions("c", limit_bytes=0), ""),
        (LogOptions("c", since_seconds=92), "l8\nl9\n"),
        (LogOptions("c", since_time=START + timedelta(seconds=9)), "l9\n"),
        (LogOptions("c", tail_lines=1, timestamps=True), "2026-01-01T00:00:09.000000Z l9\n"),
    ],
)
async def test_options(options: LogOptions, expected: str, log: LogFile) -> None:
    for number in range(10):
        log.write("stdout", b"l%d\n" % number)
    assert await text(log, options) == expected


async def test_followers_see_what_comes_until_the_end(log: LogFile) -> None:
    log.write("stdout", b"before\n")
    follower = asyncio.ensure_future(text(log, LogOptions("c", follow=True), log))
    await asyncio.sleep(0)
    log.write("stdout", b"later\n")
    await asyncio.sleep(0.01)
    assert not follower.done()
    log.write("stderr", b"last")
    log.close()
    assert await asyncio.wait_for(follower, 5) == "before\nlater\nlast"


async def test_a_follower_may_start_at_the_end(log: LogFile) -> None:
    log.write("stdout", b"old\nolder\n")
    follower = asyncio.ensure_future(text(log, LogOptions("c", follow=True, tail_lines=0), log))
    await asyncio.sleep(0.01)
    log.write("stdout", b"new\n")
    log.close()
    assert await asyncio.wait_for(follower, 5) == "new\n"


def test_the_end_of_the_output_as_a_message(log: LogFile) -> None:
    for number in range(200):
        log.write("stdout", b"line %d\n" % number)
    log.write("stderr", b"error: no")
    log.close()
    assert last_output(log.path, lines=2) == "line 199\nerror: no"
    assert last_output(log.path, lines=80, size=12) == "99\nerror: no"
    assert len(last_output(log.path, size=100_000).splitlines()) == 80
    assert len(last_output(log.path)) <= 2048
