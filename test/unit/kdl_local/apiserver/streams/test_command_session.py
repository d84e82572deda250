import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from kdl_local.apiserver.streams.channels import V4, V5, TerminalSize
from kdl_local.apiserver.streams.command import serve_command
from kdl_local.apiserver.streams.provider import CommandOptions, StreamError
from kdl_runtime.codec.json import decode
from unit.kdl_local.apiserver.streams.rig import PATIENCE, FakeSession, FakeSocket, until

EVERYTHING = CommandOptions("c", ("sh",), stdin=True, stdout=True, stderr=True)


class Running:
    """A command under way."""

    def __init__(self, options: CommandOptions, protocol: str) -> None:
        self.socket = FakeSocket()
        self.session = FakeSession()
        self.task = asyncio.ensure_future(serve_command(self.socket, protocol, options, self._start))

    async def _start(self) -> FakeSession:
        return self.session

    async def end(self) -> list[bytes]:
        """What the client has heard when all is over."""
        async with asyncio.timeout(PATIENCE):
            await self.task
        assert self.session.closed == 1
        return self.socket.heard


@asynccontextmanager
async def running(options: CommandOptions = EVERYTHING, protocol: str = V5) -> AsyncIterator[Running]:
    found = Running(options, protocol)
    try:
        yield found
    finally:
        found.task.cancel()
        await asyncio.gather(found.task, return_exceptions=True)


def status(message: bytes) -> str:
    assert message[0] == 3
    return str(decode(message[1:])["status"])


async def test_output_comes_on_its_channels_and_the_status_last() -> None:
    async with running() as run:
        run.session.outputs[1].put_nowait(b"out")
        await until(lambda: len(run.socket.heard) == 2)
        run.session.outputs[2].put_nowait(b"err")
        run.session.exit(0)
        *messages, last = await run.end()
    assert messages == [b"\x01", b"\x01out", b"\x02err"]
    assert status(last) == "Success"


@pytest.mark.parametrize(
    ("options", "first"),
    [
        (CommandOptions("c", ("sh",), stdout=True, stderr=True), b"\x01"),
        (CommandOptions("c", ("sh",), stderr=True), b"\x02"),
        (CommandOptions("c", ("sh",), stdin=True), b"\x03"),
    ],
)
async def test_the_first_message_says_that_the_connection_stands(options: CommandOptions, first: bytes) -> None:
    async with running(options) as run:
        run.session.exit(7)
        heard = await run.end()
    assert heard[0] == first
    assert decode(heard[-1][1:])["details"]["causes"][0]["message"] == "7"


async def test_input_its_end_and_sizes() -> None:
    async with running() as run:
        run.socket.say(b"\x00ab", b"", b"\x07?", b'\x04{"Width":80,"Height":24}', b"\x04nonsense", b"\x00c")
        await until(lambda: run.session.input == b"abc")
        assert (run.session.input_closed, run.session.sizes) == (False, [TerminalSize(80, 24)])
        run.socket.say(b"\xff\x01", b"\xff\x00")
        await until(lambda: run.session.input_closed)
        run.session.exit(0)
        assert status((await run.end())[-1]) == "Success"


async def test_the_older_protocol_has_no_end_of_input() -> None:
    async with running(protocol=V4) as run:
        run.socket.say(b"\xff\x00", b"\x00x")
        await until(lambda: run.session.input == b"x")
        assert not run.session.input_closed


@pytest.mark.parametrize("last", [None, b"\xff\x09"])
async def test_a_client_that_goes_or_talks_nonsense_ends_the_command(last: bytes | None) -> None:
    async with running() as run:
        await until(lambda: run.socket.heard)
        if last is None:
            run.socket.leave()
        else:
            run.socket.say(last)
        assert await run.end() == [b"\x01"]


async def test_a_client_that_cannot_be_reached_ends_the_command() -> None:
    async with running() as run:
        await until(lambda: run.socket.heard)
        run.socket.vanish()
        run.session.outputs[1].put_nowait(b"x")
        assert await run.end() == [b"\x01"]


async def test_being_cancelled_ends_the_command() -> None:
    async with running() as run:
        await until(lambda: run.socket.heard)
        run.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run.task
        assert run.session.closed == 1


async def test_a_command_that_does_not_start() -> None:
    async def start() -> FakeSession:
        raise StreamError('container not found ("c")')

    socket = FakeSocket()
    await serve_command(socket, V5, EVERYTHING, start)
    (last,) = socket.heard
    assert decode(last[1:])["message"] == 'Internal error occurred: container not found ("c")'


async def test_a_slow_client_makes_the_command_wait() -> None:
    async with running() as run:
        await until(lambda: run.socket.heard)
        run.socket.stuck = True
        for _ in range(100):
            run.session.outputs[1].put_nowait(b"x" * 1000)
        await until(lambda: run.session.outputs[1].qsize() < 100)
        await asyncio.sleep(0.02)
        assert run.session.outputs[1].qsize() == 99
        run.socket.stuck = False
        run.session.exit(0)
        assert len(await run.end()) == 102


async def test_a_command_that_reads_slowly_makes_the_client_wait() -> None:
    async with running() as run:
        run.session.reads_input = False
        run.socket.say(*[b"\x00x"] * 100)
        await until(lambda: run.socket.unread < 100)
        await asyncio.sleep(0.02)
        assert run.socket.unread == 99
        run.session.reads_input = True
        await until(lambda: run.session.input == b"x" * 100)
