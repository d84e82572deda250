import asyncio

from kdl_local.apiserver.streams.port_forward import serve_channels
from kdl_local.apiserver.streams.provider import StreamError
from unit.kdl_local.apiserver.streams.rig import PATIENCE, FakeConnection, FakeSocket, until


class Pod:
    """Its open ports."""

    def __init__(self, *ports: int) -> None:
        self.ports = {port: FakeConnection() for port in ports}

    async def connect(self, port: int) -> FakeConnection:
        if port not in self.ports:
            raise StreamError(f"{port}: connection refused")
        return self.ports[port]


async def test_each_port_has_two_channels_that_begin_with_its_number() -> None:
    pod, socket = Pod(80, 0x1234), FakeSocket()
    task = asyncio.ensure_future(serve_channels(socket, (80, 0x1234), pod.connect))
    socket.say(b"\x00to the first", b"\x02to the second", b"\x01nothing", b"\x09nothing", b"")
    await until(lambda: pod.ports[0x1234].heard == b"to the second")
    assert pod.ports[80].heard == b"to the first"
    pod.ports[0x1234].says.put_nowait(b"from the second")
    await until(lambda: len(socket.heard) == 5)
    for connection in pod.ports.values():
        connection.says.put_nowait(None)
    async with asyncio.timeout(PATIENCE):
        await task
    assert socket.heard == [b"\x00\x50\x00", b"\x01\x50\x00", b"\x02\x34\x12", b"\x03\x34\x12", b"\x02from the second"]
    assert [connection.closed for connection in pod.ports.values()] == [1, 1]


async def test_a_closed_port_is_told_and_the_others_go_on() -> None:
    pod, socket = Pod(80), FakeSocket()
    task = asyncio.ensure_future(serve_channels(socket, (9, 80), pod.connect))
    await until(lambda: b"\x019: connection refused" in socket.heard)
    socket.say(*[b"\x00" + b"x" * 100_000] * 10, b"\x02y")
    await until(lambda: pod.ports[80].heard == b"y")
    socket.leave()
    async with asyncio.timeout(PATIENCE):
        await task
    assert pod.ports[80].closed == 1


async def test_a_connection_that_breaks_ends() -> None:
    pod, socket = Pod(80), FakeSocket()
    task = asyncio.ensure_future(serve_channels(socket, (80,), pod.connect))
    pod.ports[80].says.put_nowait(ConnectionResetError())
    async with asyncio.timeout(PATIENCE):
        await task
    assert (pod.ports[80].closed, len(socket.heard)) == (1, 2)


async def test_a_pod_that_reads_no_more_still_says_what_it_has_to_say() -> None:
    pod, socket = Pod(80), FakeSocket()
    pod.ports[80].broken = True
    task = asyncio.ensure_future(serve_channels(socket, (80,), pod.connect))
    socket.say(*[b"\x00" + b"x" * 300_000] * 5)
    await until(lambda: socket.unread == 0)
    pod.ports[80].says.put_nowait(b"bye")
    pod.ports[80].says.put_nowait(None)
    async with asyncio.timeout(PATIENCE):
        await task
    assert socket.heard[-1] == b"\x00bye"
