import asyncio
import os
from contextlib import closing

import pytest

from kdl_local.node.descriptor import Descriptor, read_all


def pipe() -> tuple[Descriptor, Descriptor]:
    read, write = os.pipe()
    return Descriptor(read), Descriptor(write)


async def test_what_is_written_is_read_whoever_is_slow() -> None:
    reader, writer = pipe()
    data = os.urandom(1_000_000)
    writing = asyncio.ensure_future(writer.write(data))
    found = b""
    while len(found) < len(data):
        found += await reader.read()
    await writing
    writer.close()
    assert (found, await reader.read()) == (data, b"")
    reader.close()


async def test_a_reader_that_waits_ends_with_the_pipe() -> None:
    reader, writer = pipe()
    with closing(reader):
        waiting = asyncio.ensure_future(reader.read())
        await asyncio.sleep(0)
        writer.close()
        assert await waiting == b""


async def test_closing_wakes_who_waits() -> None:
    reader, writer = pipe()
    waiting = asyncio.ensure_future(reader.read())
    writing = asyncio.ensure_future(writer.write(b"x" * 1_000_000))
    await asyncio.sleep(0)
    reader.close()
    reader.close()
    assert await waiting in (b"", b"x" * 65536)
    with pytest.raises(BrokenPipeError):
        await writing
    writer.close()
    assert (reader.closed, writer.closed) == (True, True)
    with pytest.raises(BrokenPipeError):
        await writer.write(b"x")


async def test_finishing_gives_out_what_is_there_and_waits_for_no_more() -> None:
    reader, writer = pipe()
    with closing(reader), closing(writer):
        await writer.write(b"last")
        reader.finish()
        assert [await reader.read(), await reader.read()] == [b"last", b""]


async def test_finishing_wakes_who_waits() -> None:
    reader, writer = pipe()
    with closing(reader), closing(writer):
        waiting = asyncio.ensure_future(reader.read())
        await asyncio.sleep(0)
        reader.finish()
        assert await waiting == b""


async def test_being_cancelled_leaves_it_usable() -> None:
    reader, writer = pipe()
    with closing(reader), closing(writer):
        waiting = asyncio.ensure_future(reader.read())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await writer.write(b"x")
        assert await reader.read() == b"x"


async def test_a_terminal_that_nobody_has_open_has_ended() -> None:
    outer, inner = os.openpty()
    with closing(Descriptor(outer)) as reader:
        os.write(inner, b"last\n")
        os.close(inner)
        assert [await reader.read(), await reader.read()] == [b"last\r\n", b""]


async def test_everything_from_a_pipe() -> None:
    read, write = os.pipe()
    os.write(write, b"the whole\xff")
    os.close(write)
    assert await read_all(read) == "the whole\ufffd"
