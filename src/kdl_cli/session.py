"""A command's connection to a cluster, and the event loop that it runs in."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from kdl_cli.options import Connection
from kdl_runtime.client.client import Client
from kdl_runtime.clock import Clock, SystemClock
from kdl_runtime.resources.discovery import Discovery
from kdl_runtime.transport.config import ClusterConfig

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Session:
    """``namespace`` is the one that the command works in: the flag's, else the context's, else ``default``."""

    client: Client
    config: ClusterConfig
    namespace: str
    clock: Clock
    discovery: Discovery


@asynccontextmanager
async def connect(connection: Connection) -> AsyncIterator[Session]:
    """The session of the cluster that the options name. ConfigError says where a kubeconfig was looked for."""
    from kdl_runtime.transport.http import HttpTransport
    from kdl_runtime.transport.kubeconfig import load_config

    config = load_config(connection.kubeconfig, connection.context)
    clock = SystemClock()
    transport = HttpTransport(config, clock)
    try:
        client = Client(transport, clock)
        yield Session(client, config, connection.namespace or config.namespace, clock, Discovery(client, clock))
    finally:
        await transport.close()


def run(command: Coroutine[Any, Any, T]) -> T:
    """Run an asynchronous command to its end. Ctrl-C cancels it first, so that it can put things in order."""
    try:
        return asyncio.run(command)
    except asyncio.CancelledError:
        raise click.Abort from None
