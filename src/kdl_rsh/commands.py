"""Commands in other pods: the exec subresource over a WebSocket.

Protocols: https://github.com/kubernetes/kubernetes/blob/master/staging/src/k8s.io/apimachinery/pkg/util/remotecommand/constants.go
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol, Self

import aiohttp
import structlog
from yarl import URL

from kdl_runtime.client.client import Client
from kdl_runtime.clock import Clock
from kdl_runtime.codec import json
from kdl_runtime.errors import ApiError, KdlError, NotFound, TransportError
from kdl_runtime.resources.registry import PODS
from kdl_runtime.transport.config import ClusterConfig
from kdl_runtime.transport.credentials import RereadSource, StoredCredentials
from kdl_runtime.transport.http import HttpTransport
from kdl_runtime.transport.tls import client_context
from kdl_runtime.types import ObjectKey

log = structlog.get_logger(__name__)

V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
STDIN, STDOUT, STDERR, ERROR, CLOSE = 0, 1, 2, 3, 255
CHUNK = 32 * 1024
LOOK_SECONDS = 0.5


class CommandError(KdlError):
    """A command that could not be run, or whose end nobody knows."""


class Output(Protocol):
    async def write(self, data: bytes) -> None: ...


@dataclass(frozen=True, slots=True)
class Streams:
    stdin: asyncio.StreamReader
    stdout: Output
    stderr: Output


@dataclass(frozen=True, slots=True)
class CommandOptions:
    """``pods``: what the names of the pods that may be entered begin with; a number follows. ``container``: empty is
    the pod's first, or the one that its annotation names. ``patience``: seconds that a pod may take until it is
    ready."""

    pods: str
    container: str = ""
    patience: float = 600.0


class PodCommands:
    """Runs commands in the pods of one namespace. ``async with`` closes its connections."""

    def __init__(self, config: ClusterConfig, clock: Clock, options: CommandOptions) -> None:
        self._config = config
        self._clock = clock
        self._options = options
        self._transport = HttpTransport(config, clock)
        self._client = Client(self._transport, clock)
        self._credentials = StoredCredentials(config.user, clock)
        self._ca = RereadSource(config.ca, clock)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._transport.close()

    async def run(self, pod: str, command: str, streams: Streams) -> int:
        """The exit code of ``sh -c command`` in the pod, once it is ready. CommandError if it cannot be had.

        The account may enter every pod of the namespace, so whoever leaves calls here is held to those of the job.
        """
        if not may_enter(pod, self._options.pods):
            raise CommandError(f"{pod!r} is none of the pods {self._options.pods}<number>: no command is run in it")
        await self._wait_ready(pod)
        async with self._open(pod, command) as socket:
            feeding = asyncio.create_task(_feed(socket, streams.stdin))
            try:
                return await _follow(socket, streams)
            finally:
                feeding.cancel()
                await asyncio.gather(feeding, return_exceptions=True)

    async def _wait_ready(self, name: str) -> None:
        key, last = ObjectKey(self._config.namespace, name), "it has not been looked at"
        try:
            async with asyncio.timeout(self._options.patience):
                while True:
                    try:
                        pod = await self._client.get(PODS, key)
                        last = _not_ready(pod)
                    except NotFound:
                        last = "it does not exist"
                    except (ApiError, TransportError) as error:
                        last = str(error)
                    if not last:
                        return
                    await self._clock.sleep(LOOK_SECONDS)
        except TimeoutError as error:
            raise CommandError(
                f"pod {name} is not ready after {self._options.patience:g} s: {last}; "
                f"look at 'kubectl describe pod {name}'"
            ) from error

    @asynccontextmanager
    async def _open(self, pod: str, command: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        query = [("command", "/bin/sh"), ("command", "-c"), ("command", command)]
        query += [(name, "true") for name in ("stdin", "stdout", "stderr")]
        if self._options.container:
            query.append(("container", self._options.container))
        path = f"api/v1/namespaces/{self._config.namespace}/pods/{pod}/exec"
        url = (URL(self._config.server) / path).with_query(query)
        credential = await self._credentials.current()
        headers = {"Authorization": credential.authorization} if credential.authorization else {}
        tls: Any = False
        if url.scheme == "https":
            tls = client_context(
                self._ca.read(), credential.certificate, insecure=self._config.insecure_skip_tls_verify
            )
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(aiohttp.ClientSession())
            try:
                socket = await stack.enter_async_context(
                    session.ws_connect(url, protocols=(V5, V4), headers=headers, ssl=tls, max_msg_size=0, heartbeat=30)
                )
            except (aiohttp.ClientError, OSError) as error:
                raise CommandError(f"cannot run a command in pod {pod}: {error}") from error
            yield socket


def may_enter(pod: str, begin: str) -> bool:
    """Whether a pod's name is ``begin`` and a number, and nothing else."""
    number = pod.removeprefix(begin)
    return bool(begin) and pod != number and number.isascii() and number.isdecimal()


def _not_ready(pod: dict[str, Any]) -> str:
    """Why no command can be run in it yet; empty if one can."""
    status = pod.get("status") or {}
    if pod["metadata"].get("deletionTimestamp"):
        return "it is being deleted"
    conditions = {item["type"]: item["status"] for item in status.get("conditions") or ()}
    if conditions.get("Ready") == "True":
        return ""
    return f"its phase is {status.get('phase') or 'unknown'}"


async def _feed(socket: aiohttp.ClientWebSocketResponse, stdin: asyncio.StreamReader) -> None:
    """The older protocol cannot tell of the end of input: the command goes on without it."""
    while data := await stdin.read(CHUNK):
        await socket.send_bytes(bytes([STDIN]) + data)
    if socket.protocol == V5:
        await socket.send_bytes(bytes([CLOSE, STDIN]))


async def _follow(socket: aiohttp.ClientWebSocketResponse, streams: Streams) -> int:
    async for message in socket:
        if message.type is not aiohttp.WSMsgType.BINARY or not message.data:
            continue
        channel, data = message.data[0], message.data[1:]
        if channel == STDOUT:
            await streams.stdout.write(data)
        elif channel == STDERR:
            await streams.stderr.write(data)
        elif channel == ERROR:
            return exit_code(data)
    raise CommandError("the connection was lost before the command had ended")


def exit_code(status: bytes) -> int:
    """What a Status of the error channel says. CommandError for a command that could not be started."""
    found = json.decode(status)
    if found.get("status") == "Success":
        return 0
    causes = (found.get("details") or {}).get("causes") or ()
    for cause in causes:
        if cause.get("reason") == "ExitCode":
            return int(cause["message"])
    raise CommandError(str(found.get("message") or "the command could not be run"))
