"""Port-forward over channels: the form of clients that are no kubectl, such as the Python client.

Each port has two channels, one for its data and one for an error, and one connection that begins with the request.
Both channels begin with the number of the port, in two bytes with the lower one first (k8s.io/cri-streaming
``portforward``).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from kdl_local.apiserver.streams.channels import pack
from kdl_local.apiserver.streams.provider import Connection, StreamError
from kdl_local.apiserver.streams.queues import ByteQueue
from kdl_local.apiserver.streams.socket import Socket
from kdl_local.apiserver.tasks import cancelled

Connect = Callable[[int], Awaitable[Connection]]
"""Connects to a port of the pod, or raises StreamError."""


@dataclass(frozen=True, slots=True)
class _Port:
    number: int
    channel: int
    input: ByteQueue


async def serve_channels(socket: Socket, ports: Sequence[int], connect: Connect) -> None:
    """Runs until all connections have ended, or the client has gone."""
    forwarded = [_Port(number, 2 * index, ByteQueue()) for index, number in enumerate(ports)]
    for port in forwarded:
        for channel in (port.channel, port.channel + 1):
            await socket.send(pack(channel, port.number.to_bytes(2, "little")))
    client = asyncio.ensure_future(_receive(socket, forwarded))
    pod = asyncio.ensure_future(_forward_all(socket, forwarded, connect))
    try:
        await asyncio.wait((client, pod), return_when=asyncio.FIRST_COMPLETED)
    finally:
        await cancelled(client, pod)


async def _receive(socket: Socket, ports: Sequence[_Port]) -> None:
    by_channel = {port.channel: port for port in ports}
    while (message := await socket.receive()) is not None:
        port = by_channel.get(message[0]) if message else None
        if port is not None:
            await port.input.put(message[1:])


async def _forward_all(socket: Socket, ports: Sequence[_Port], connect: Connect) -> None:
    await asyncio.gather(*(_forward(socket, port, connect) for port in ports))


async def _forward(socket: Socket, port: _Port, connect: Connect) -> None:
    prefix = bytes((port.channel,))

    async def send(data: bytes) -> None:
        await socket.send(prefix, data)

    try:
        connection = await connect(port.number)
        await exchange(connection, port.input, send)
    except StreamError as error:
        with suppress(OSError):
            await socket.send(pack(port.channel + 1, str(error).encode()))
    finally:
        port.input.discard()


async def exchange(connection: Connection, received: ByteQueue, send: Callable[[bytes], Awaitable[None]]) -> None:
    """Copies both ways until the pod has said everything, or the connection is broken; closes it then."""

    async def copy_in() -> None:
        try:
            while data := await received.get():
                await connection.write(data)
            connection.close_input()
        except OSError:
            # Nobody takes the rest, and the client's other connections must not wait for it.
            received.discard()

    inward = asyncio.ensure_future(copy_in())
    try:
        with suppress(OSError):
            while data := await connection.read():
                await send(data)
    finally:
        await cancelled(inward)
        await connection.close()
