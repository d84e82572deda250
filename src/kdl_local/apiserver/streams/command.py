"""Exec and attach: between the channels of a client and the streams of a process."""

import asyncio
from collections.abc import Awaitable, Callable

from kdl_local.apiserver.streams import channels, outcomes
from kdl_local.apiserver.streams.channels import ERROR, RESIZE, STDERR, STDIN, STDOUT, ChannelError, pack, unpack
from kdl_local.apiserver.streams.provider import CommandOptions, Session, StreamError
from kdl_local.apiserver.streams.socket import Socket
from kdl_local.apiserver.tasks import cancelled


async def serve_command(
    socket: Socket, protocol: str, options: CommandOptions, start: Callable[[], Awaitable[Session]]
) -> None:
    """Runs until the process has ended, or the client has gone. Nothing is kept in between: whoever is slow, the client
    or the process, makes the other one wait."""
    streams = [number for number, wanted in ((STDOUT, options.stdout), (STDERR, options.stderr)) if wanted]
    try:
        session = await start()
    except StreamError as error:
        await socket.send(pack(ERROR, outcomes.failed(outcomes.internal(str(error)))))
        return
    try:
        # Tells clients that wait for it that the connection stands.
        await socket.send(pack(min(streams, default=ERROR), b""))
        code = await _until_end(socket, protocol, session, streams)
    finally:
        await session.close()
    if code is not None:
        await socket.send(pack(ERROR, outcomes.exited(code)))


async def _until_end(socket: Socket, protocol: str, session: Session, streams: list[int]) -> int | None:
    """The exit code; None if the client went first."""
    client = asyncio.ensure_future(_input(socket, protocol, session))
    process = asyncio.ensure_future(_output(socket, session, streams))
    try:
        await asyncio.wait((client, process), return_when=asyncio.FIRST_COMPLETED)
        return process.result() if process.done() else client.result()
    finally:
        await cancelled(client, process)


async def _input(socket: Socket, protocol: str, session: Session) -> None:
    """Returns when the client has gone, or does not keep to the protocol."""
    while (message := await socket.receive()) is not None:
        try:
            event = unpack(message, protocol)
        except ChannelError:
            return
        match event:
            case channels.Data(channel=channel, data=data) if channel == STDIN:
                await session.write(data)
            case channels.Data(channel=channel, data=data) if channel == RESIZE:
                size = channels.terminal_size(data)
                if size is not None:
                    session.resize(size)
            case channels.Closed(channel=channel) if channel == STDIN:
                await session.close_input()


async def _output(socket: Socket, session: Session, streams: list[int]) -> int | None:
    """Everything that the process writes, and its exit code; None if the client has gone."""
    code: int | None = None
    try:
        async with asyncio.TaskGroup() as group:
            for stream in streams:
                group.create_task(_copy(socket, session, stream))
            code = await session.wait()
    except* OSError:
        code = None
    return code


async def _copy(socket: Socket, session: Session, stream: int) -> None:
    prefix = bytes((stream,))
    while data := await session.read(stream):
        await socket.send(prefix, data)
