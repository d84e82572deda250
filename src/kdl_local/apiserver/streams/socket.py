"""A WebSocket as the server's streams see it, without HTTP."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol


class Socket(Protocol):
    async def send(self, *parts: bytes) -> None:
        """One binary message, of the parts in a row; waits while the client takes no more. OSError if it is gone."""
        ...

    async def receive(self) -> bytes | None:
        """The next message, of text or bytes; None when the client has closed or gone."""
        ...


@dataclass(frozen=True, slots=True)
class Upgrade:
    """An answer that goes on as a WebSocket with this subprotocol. When ``serve`` returns, the connection is closed.

    It is cancelled when the client goes.
    """

    protocol: str
    serve: Callable[[Socket], Awaitable[None]]
