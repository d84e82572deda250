"""A whole cluster in one process and one event loop: API server, controllers, scheduler and nodes."""

import asyncio
import logging
import random
import shutil
import tempfile
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from kdl_local.apiserver.http import HttpOptions, HttpServer, create_credentials
from kdl_local.apiserver.kubeconfig import write_kubeconfig
from kdl_local.apiserver.logs import LogOptions
from kdl_local.apiserver.server import ApiServer
from kdl_local.apiserver.streams.provider import StreamProvider
from kdl_local.controllers.all import ControllersOptions, run_controllers
from kdl_local.guard import MARK, Guard, kill_marked
from kdl_local.node.fake import FakeNodeOptions, FakeNodes
from kdl_local.node.launch import Isolation
from kdl_local.node.process_node import ProcessNode, ProcessNodeOptions
from kdl_local.pods import node_name
from kdl_local.resources import NODES, SERVICES
from kdl_runtime.clock import Clock, SystemClock
from kdl_runtime.errors import BadRequest, KdlError

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
_POLL_SECONDS = 0.005


class ClusterError(KdlError):
    """The local cluster cannot be started, found or stopped; the message says what to do."""


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """``directory``: where the cluster keeps everything it writes, for its owner only; it is emptied first and removed
    in the end. None makes a temporary one. ``kubeconfig``: another place for the kubeconfig, also removed in the end.

    ``port`` 0 takes a free one. ``process_node`` False makes a cluster that runs nothing but ``fake_nodes``.
    ``isolation`` None tries what the system allows. ``extra_capacity`` adds resources to the process node.
    ``keep_open``: descriptors that stay open until the last process of the cluster is gone. ``leftovers``: files that
    go with it if it is killed.
    """

    directory: Path | None = None
    kubeconfig: Path | None = None
    port: int = 0
    process_node: bool = True
    fake_nodes: FakeNodeOptions = field(default_factory=lambda: FakeNodeOptions(count=0))
    isolation: Isolation | None = None
    extra_capacity: Mapping[str, str] = field(default_factory=dict)
    controllers: ControllersOptions = field(default_factory=ControllersOptions)
    keep_open: Sequence[int] = ()
    leftovers: Sequence[Path] = ()


class LocalCluster:
    """An async context manager: the cluster is ready when it is entered, and gone without a trace when it is left.

    ``wait`` returns only by raising: what went wrong in a part of the cluster.
    """

    def __init__(
        self, options: ClusterOptions | None = None, clock: Clock | None = None, rng: random.Random | None = None
    ) -> None:
        self.options = options or ClusterOptions()
        self._clock = clock or SystemClock()
        self._rng = rng or random.Random()
        self.server = ApiServer(self._clock, self._rng)
        self._http: HttpServer | None = None
        self._guard: Guard | None = None
        self._parts: asyncio.Task[None] | None = None
        self._process_node: ProcessNode | None = None
        self._fake_nodes: FakeNodes | None = None
        self._directory: Path | None = None
        self._written: list[Path] = []

    # ---- what others need

    @property
    def directory(self) -> Path:
        if self._directory is None:
            raise ClusterError("the local cluster does not run: start it first")
        return self._directory

    @property
    def kubeconfig(self) -> Path:
        return self.directory / "kubeconfig"

    @property
    def url(self) -> str:
        if self._http is None:
            raise ClusterError("the local cluster does not run: start it first")
        return self._http.url

    @property
    def node_names(self) -> tuple[str, ...]:
        own = (self._process_node.name,) if self._process_node else ()
        return (*own, *(self._fake_nodes.names if self._fake_nodes else ()))

    @property
    def fake_nodes(self) -> FakeNodes | None:
        return self._fake_nodes

    @property
    def isolation(self) -> Isolation | None:
        """How pods are isolated from the host; None without a process node."""
        return self._process_node.isolation if self._process_node else None

    async def wait(self) -> None:
        if self._parts is not None:
            await asyncio.shield(self._parts)

    # ---- life

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _start(self) -> None:
        self._directory = _private_directory(self.options.directory)
        if self.options.process_node:
            kill_marked(self._mark)
            written = [self._directory, *self.options.leftovers]
            if self.options.kubeconfig is not None:
                written.append(self.options.kubeconfig.absolute())
            self._guard = Guard(self._mark, written, self.options.keep_open)
        self._http = HttpServer(self.server, create_credentials(self._clock.now()), HttpOptions(self.options.port))
        try:
            await self._http.start()
        except OSError as error:
            self._http = None
            raise ClusterError(f"port {self.options.port} cannot be used: {error.strerror}; choose another") from error
        self._make_nodes()
        self._create_api_service()
        self._write_kubeconfigs()
        self._parts = asyncio.get_running_loop().create_task(self._run_parts())
        await self._nodes_registered()

    async def stop(self) -> None:
        """Ends everything that runs and removes everything that was written. May be called twice."""
        if self._parts is not None:
            self._parts.cancel()
            await asyncio.gather(self._parts, return_exceptions=True)
            self._parts = None
        if self._http is not None:
            await self._http.stop()
            self._http = None
        for path in self._written:
            path.unlink(missing_ok=True)
        self._written.clear()
        if self._directory is not None:
            directory, self._directory = self._directory, None
            kill_marked(str(directory))
            shutil.rmtree(directory, ignore_errors=True)
        if self._guard is not None:
            self._guard.release()
            self._guard = None

    # ---- parts

    @property
    def _mark(self) -> str:
        return str(self._directory)

    def _make_nodes(self) -> None:
        direct, options = self.server.direct, self.options
        if options.process_node and self._http is not None:
            node = ProcessNodeOptions(
                directory=self.directory / "node",
                isolation=options.isolation,
                marks={MARK: self._mark},
                server_env=_server_env(self._http.port),
                extra_capacity=options.extra_capacity,
            )
            self._process_node = ProcessNode(direct, self._clock, self._rng, node)
        if options.fake_nodes.count:
            self._fake_nodes = FakeNodes(direct, self._clock, options.fake_nodes)
        self.server.log_provider = self._logs
        self.server.stream_router = self._streams

    async def _run_parts(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                controllers = run_controllers(
                    self.server.direct, self.server.types, self._clock, self._rng, self.options.controllers
                )
                group.create_task(controllers)
                if self._process_node is not None:
                    group.create_task(self._process_node.run())
                if self._fake_nodes is not None:
                    group.create_task(self._fake_nodes.run())
        except BaseExceptionGroup as group_error:
            log.error("a part of the local cluster failed", exc_info=group_error)
            raise

    async def _nodes_registered(self) -> None:
        missing = list(self.node_names)
        while missing and self._parts is not None:
            if self._parts.done():
                self._parts.result()
            await self._clock.sleep(_POLL_SECONDS)
            missing = [name for name in missing if self.server.direct.find(NODES, "", name) is None]

    async def _logs(self, pod: Mapping[str, Any], options: LogOptions) -> AsyncGenerator[bytes, None]:
        """Asks the node that the pod is on."""
        if self._fake_nodes is not None and node_name(pod) in self._fake_nodes.names:
            return await self._fake_nodes.logs(pod, options)
        if self._process_node is not None and node_name(pod) == self._process_node.name:
            return await self._process_node.logs(pod, options)
        raise BadRequest(f"node {node_name(pod)} is not one of this cluster: it keeps no logs")

    def _streams(self, pod: Mapping[str, Any]) -> StreamProvider:
        """The node that the pod is on."""
        name = node_name(pod)
        if self._fake_nodes is not None and name in self._fake_nodes.names:
            raise BadRequest(f"pod {pod['metadata']['name']} only seems to run: {name} is a fake node")
        if self._process_node is not None and name == self._process_node.name:
            return self._process_node.streams
        raise BadRequest(f"node {name} is not one of this cluster: nothing can be run there")

    def _create_api_service(self) -> None:
        spec = {"clusterIP": "10.96.0.1", "ports": [{"name": "https", "port": 443, "targetPort": self._port}]}
        labels = {"component": "apiserver", "provider": "kubernetes"}
        metadata = {"name": "kubernetes", "namespace": "default", "labels": labels}
        self.server.direct.create(SERVICES, {"metadata": metadata, "spec": spec})

    @property
    def _port(self) -> int:
        return self._http.port if self._http is not None else 0

    def _write_kubeconfigs(self) -> None:
        if self._http is None:
            return
        write_kubeconfig(self.kubeconfig, self._http.access)
        other = self.options.kubeconfig
        if other is not None:
            if other.exists() and not _is_ours(other):
                raise ClusterError(f"{other} exists and is not of a local cluster: name another file")
            write_kubeconfig(other, self._http.access)
            self._written.append(other)


def _private_directory(wanted: Path | None) -> Path:
    if wanted is None:
        return Path(tempfile.mkdtemp(prefix="kdl-local-")).resolve()
    shutil.rmtree(wanted, ignore_errors=True)
    wanted.mkdir(mode=0o700, parents=True, exist_ok=True)
    wanted.chmod(0o700)
    return wanted.resolve()


def _is_ours(kubeconfig: Path) -> bool:
    """Whether it has been written by a local cluster, perhaps one that is gone."""
    text = kubeconfig.read_text(encoding="utf-8", errors="replace")
    return not text.strip() or "current-context: kdl-local" in text.splitlines()


def _server_env(port: int) -> dict[str, str]:
    return {
        "KUBERNETES_SERVICE_HOST": LOOPBACK,
        "KUBERNETES_SERVICE_PORT": str(port),
        "KUBERNETES_SERVICE_PORT_HTTPS": str(port),
        "KUBERNETES_PORT": f"tcp://{LOOPBACK}:{port}",
    }
