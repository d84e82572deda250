import asyncio

from kdl_local.apiserver.streams.queues import ByteQueue


async def test_pieces_come_out_as_they_went_in() -> None:
    queue = ByteQueue()
    for piece in (b"a", b"", b"bc"):
        await queue.put(piece)
    queue.end()
    queue.push(b"too late")
    assert [await queue.get(), await queue.get(), await queue.get(), await queue.get()] == [b"a", b"bc", b"", b""]


async def test_a_full_queue_makes_the_sender_wait() -> None:
    queue = ByteQueue(limit=2)
    await queue.put(b"abc")
    waiting = asyncio.ensure_future(queue.put(b"d"))
    await asyncio.sleep(0)
    assert (queue.full, waiting.done()) == (True, False)
    assert await queue.get() == b"abc"
    await waiting
    assert await queue.get() == b"d"


async def test_nobody_waits_for_who_does_not_read_any_more() -> None:
    queue = ByteQueue(limit=0)
    await queue.put(b"a")
    waiting = asyncio.ensure_future(queue.put(b"b"))
    await asyncio.sleep(0)
    queue.discard()
    await waiting
    await queue.put(b"c")
    assert (queue.full, await queue.get()) == (False, b"")


async def test_the_reader_waits_for_the_next_piece() -> None:
    queue = ByteQueue()
    waiting = asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)
    assert not waiting.done()
    queue.push(b"a")
    assert await waiting == b"a"
    ending = asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)
    queue.end()
    assert await ending == b""
