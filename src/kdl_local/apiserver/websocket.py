"""WebSockets of aiohttp, as the server's streams use them."""

import asyncio
from contextlib import suppress

from aiohttp import WSMsgType, web

from kdl_local.apiserver.streams.socket import Upgrade
from kdl_local.apiserver.tasks import cancelled

MAX_MESSAGE = 32 * 1024 * 1024
"""Bytes of one message, as the real API server bounds it."""

PING_SECONDS = 10.0
"""A client that has gone while its messages wait to be read is noticed by what cannot be sent to it any more."""

_CLOSE_SECONDS = 1.0


class WebSocket:
    """A ``Socket`` over a prepared response."""

    def __init__(self, response: web.WebSocketResponse) -> None:
        self._response = response

    async def send(self, *parts: bytes) -> None:
        await self._response.send_frame(b"".join(parts), WSMsgType.BINARY)

    async def receive(self) -> bytes | None:
        message = await self._response.receive()
        if message.type is WSMsgType.BINARY:
            return bytes(message.data)
        if message.type is WSMsgType.TEXT:
            return str(message.data).encode()
        return None


def prepare(upgrade: Upgrade) -> web.WebSocketResponse:
    return web.WebSocketResponse(
        protocols=(upgrade.protocol,), compress=False, max_msg_size=MAX_MESSAGE, timeout=_CLOSE_SECONDS
    )


async def serve(response: web.WebSocketResponse, upgrade: Upgrade) -> None:
    """Serves a prepared response to its end, and closes it."""
    pings = asyncio.ensure_future(_ping(response))
    try:
        with suppress(OSError):
            await upgrade.serve(WebSocket(response))
    finally:
        await cancelled(pings)
    await response.close()


async def _ping(response: web.WebSocketResponse) -> None:
    with suppress(OSError):
        while True:
            await asyncio.sleep(PING_SECONDS)
            await response.ping()
