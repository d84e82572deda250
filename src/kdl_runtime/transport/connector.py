"""Connections that nobody needs any more are cut.

TLS says farewell and waits half a minute for the answer, which a server that is busy, or gone, does not give.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import aiohttp
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

_taken: ContextVar[list[asyncio.Transport]] = ContextVar("taken")
"""The connections that the exchange of this task has got."""


class Connector(aiohttp.TCPConnector):
    """Requires that requests are made inside of ``cut_if_given_up``."""

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        connection = await super().connect(req, traces, timeout)
        if connection.transport is not None:
            _taken.get().append(connection.transport)
        return connection


@contextmanager
def cut_if_given_up() -> Iterator[None]:
    """For a request until its answer begins: if that does not come, its connection is cut."""
    taken: list[asyncio.Transport] = []
    token = _taken.set(taken)
    try:
        yield
    except BaseException:
        for transport in taken:
            transport.abort()
        raise
    finally:
        _taken.reset(token)


def drop(response: aiohttp.ClientResponse) -> None:
    """Of an answer that has begun. A body that was read to its end has given its connection back already; any other
    connection cannot be reused."""
    transport = response.connection.transport if response.connection else None
    response.close()
    if transport is not None:
        transport.abort()
