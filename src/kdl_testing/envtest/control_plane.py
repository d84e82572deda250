"""A Kubernetes control plane from the real binaries, as long as a test needs it."""

import ipaddress
import itertools
import shutil
import ssl
import tempfile
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote, urlsplit

from kdl_local.guard import MARK, Guard
from kdl_runtime.transport.config import ClusterConfig, Source
from kdl_testing.envtest import components, fake_nodes, users
from kdl_testing.envtest.certificates import Credentials, prepare, server_hosts
from kdl_testing.envtest.cluster import Cluster
from kdl_testing.envtest.components import ETCD_SOCKET, LOOPBACK, Place
from kdl_testing.envtest.options import (
    API_SERVER,
    CONTROLLER_MANAGER,
    ETCD,
    KWOK,
    ORDER,
    SCHEDULER,
    ControlPlaneOptions,
)
from kdl_testing.envtest.ports import start_on_free_port
from kdl_testing.envtest.probes import etcd_probe, http_probe, https_probe
from kdl_testing.envtest.process import Process, ProcessError, Program

ADMIN = ("kdl-admin", ("system:masters",))

_DEFAULT_SERVICE_ACCOUNT = "/api/v1/namespaces/default/serviceaccounts/default"
_STOP_SECONDS = {
    # It waits a minute for open watches, and what it has stored is in etcd.
    API_SERVER: 1.0,
}


@dataclass(frozen=True, slots=True)
class _Running:
    """What there is from the first process on until the last one has ended."""

    directory: Path
    binaries: Mapping[str, Path]
    credentials: Credentials
    guard: Guard
    mark: str

    def file(self, *names: str) -> Path:
        return self.directory.joinpath(*names)


class ControlPlane(Cluster):
    """Starts in ``with``, or by ``start``, and stops with everything that it has started.

    If this process is killed, the components end too and a temporary directory is removed. ``locate`` finds the
    binaries by name; the default is that of ``kdl_testing.envtest.assets``, without downloading or building any.
    """

    def __init__(
        self,
        options: ControlPlaneOptions | None = None,
        locate: Callable[[Sequence[str]], Mapping[str, Path]] | None = None,
    ) -> None:
        self.options = options or ControlPlaneOptions()
        self.processes: dict[str, Process] = {}
        """The components by name, for tests that stop, kill and restart them."""
        self._locate = locate or _locate
        self._state: _Running | None = None
        self._config: ClusterConfig | None = None
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()
        self._logs_are_kept = False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and isinstance(error, Exception):
            error.add_note(f"The logs of the control plane are in {self.keep_logs()}")
        self.stop()

    @property
    def config(self) -> ClusterConfig:
        if self._config is None:
            raise RuntimeError("the control plane does not run: use it in a with block, or call start()")
        return self._config

    @property
    def kubeconfig(self) -> Path:
        return self._running.file("kubeconfigs", "admin.kubeconfig")

    @property
    def directory(self) -> Path:
        """Data, certificates, kubeconfigs and ``logs/<component>.log``."""
        return self._running.directory

    def keep_logs(self) -> Path:
        """Leaves the logs where they are when the control plane stops; says where."""
        self._logs_are_kept = True
        return self._running.file("logs")

    # ---- start and stop

    def start(self) -> None:
        """Starts every component and waits until all are ready. ProcessError if one cannot be; none runs then."""
        with self._lock:
            if self._state is not None:
                raise RuntimeError("the control plane runs already")
            binaries = self._locate(self.options.components)
            self._state = self._prepare(binaries)
            try:
                self._start_components()
                if self.options.crds:
                    self.install_crds(self.options.crds)
            except BaseException as error:
                self._logs_are_kept = isinstance(error, ProcessError)
                self.stop()
                raise

    def stop(self) -> None:
        """Stops every component, the last one that was started first, and removes a temporary directory. Does nothing
        if the control plane does not run."""
        with self._lock:
            running = self._state
            if running is None:
                return
            for process in reversed(list(self.processes.values())):
                process.stop()
            if self.options.directory is None:
                self._remove(running.directory)
            running.guard.release()
            self._state = self._config = None
            self._logs_are_kept = False
            self.processes = {}

    def _remove(self, directory: Path) -> None:
        if not self._logs_are_kept:
            shutil.rmtree(directory, ignore_errors=True)
            return
        for entry in directory.iterdir():
            if entry.name == "logs":
                continue
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)

    def _prepare(self, binaries: Mapping[str, Path]) -> _Running:
        given = self.options.directory
        if given is None:
            directory = Path(tempfile.mkdtemp(prefix="kdl-envtest-"))
        else:
            directory = given.absolute()
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        mark = f"envtest-{uuid.uuid4().hex}"
        guard = Guard(mark, [directory] if given is None else [])
        try:
            credentials = prepare(directory / "certificates", server_hosts(self.options), datetime.now(UTC))
        except BaseException:
            if given is None:
                self._remove(directory)
            guard.release()
            raise
        return _Running(directory, binaries, credentials, guard, mark)

    def _start_components(self) -> None:
        running = self._running
        self._start(ETCD, lambda port: etcd_probe(running.directory, ETCD_SOCKET))
        context = self._start_api_server()
        self._write_kubeconfigs()
        probes = self._probes(context)
        others = [name for name in ORDER if name in self.options.components and name in probes]
        with ThreadPoolExecutor(max(len(others), 1), "envtest") as executor:
            for outcome in [executor.submit(self._start, name, probes[name]) for name in others]:
                outcome.result()
        self.processes = {name: self.processes[name] for name in ORDER if name in self.processes}

    def _probes(self, context: ssl.SSLContext) -> Mapping[str, Callable[[int], Callable[[], bool]]]:
        """By component, for a port: whether it is ready."""
        url = urlsplit(self.config.server)
        accounts = https_probe((url.hostname or "", url.port or 0), _DEFAULT_SERVICE_ACCOUNT, context)

        def manager_probe(port: int) -> Callable[[], bool]:
            healthy = https_probe((LOOPBACK, port), "/healthz", context)
            # Until that is there, pods are refused.
            return lambda: healthy() and accounts()

        return {
            CONTROLLER_MANAGER: manager_probe,
            SCHEDULER: lambda port: https_probe((LOOPBACK, port), "/healthz", context),
            KWOK: lambda port: http_probe((LOOPBACK, port), "/healthz"),
        }

    def _start_api_server(self) -> ssl.SSLContext:
        """The context with which it can be asked as the administrator."""
        host = self._host()
        authority = self._running.credentials.authority
        admin = authority.client(*ADMIN, datetime.now(UTC))
        context = ssl.create_default_context(cadata=authority.certificate.decode())
        with tempfile.NamedTemporaryFile(dir=self.directory) as file:
            file.write(admin.certificate + admin.key)
            file.flush()
            context.load_cert_chain(file.name)
        ports: list[int] = []

        def probe(port: int) -> Callable[[], bool]:
            ports.append(port)
            return https_probe((host, port), "/readyz", context)

        self._start(API_SERVER, probe, self.options.port)
        server = f"https://{f'[{host}]' if ':' in host else host}:{ports[-1]}"
        self._config = users.with_certificate(ClusterConfig(server, ca=Source(data=authority.certificate)), admin)
        return context

    def _write_kubeconfigs(self) -> None:
        users.write(self.kubeconfig, self.config)
        for name, (user, groups) in components.users(self.options.components).items():
            pair = self._running.credentials.authority.client(user, groups, datetime.now(UTC))
            users.write(self._component_kubeconfig(name), users.with_certificate(self.config, pair))

    def _start(self, name: str, probe: Callable[[int], Callable[[], bool]], port: int = 0) -> None:
        """On this port, or on a free one."""

        def program(port: int) -> Program:
            return self._program(name, port, probe(port))

        if port or name == ETCD:
            self.processes[name] = process = Process(program(port))
            process.start()
        else:
            self.processes[name] = start_on_free_port(program, self._bind_address(name))

    def _program(self, name: str, port: int, ready: Callable[[], bool]) -> Program:
        running = self._running
        place = Place(running.credentials, port, self._component_kubeconfig(name), fake_nodes.CONFIGURATION)
        return Program(
            name=name,
            argv=components.argv(name, running.binaries[name], self.options, place),
            log=running.file("logs", f"{name}.log"),
            directory=running.directory,
            env={MARK: running.mark, "HOME": str(running.directory)},
            ready=ready,
            start_timeout=self.options.start_timeout,
            stop_timeout=_STOP_SECONDS.get(name, 10.0),
        )

    # ---- users

    def user(self, name: str, groups: Sequence[str] = ()) -> Path:
        """By a client certificate, which is valid for a year."""
        pair = self._running.credentials.authority.client(name, tuple(groups), datetime.now(UTC))
        return users.write(self.new_kubeconfig_path(name), users.with_certificate(self.config, pair))

    def new_kubeconfig_path(self, name: str) -> Path:
        # Numbered: a user may be asked for again, with other groups.
        number = next(self._numbers)
        return self._running.file("kubeconfigs", f"{number}-{quote(name, safe='')[:100]}.kubeconfig")

    def _component_kubeconfig(self, name: str) -> Path:
        return self._running.file("kubeconfigs", f"{name}.kubeconfig")

    # ---- places

    @property
    def _running(self) -> _Running:
        if self._state is None:
            raise RuntimeError("the control plane does not run: use it in a with block, or call start()")
        return self._state

    def _bind_address(self, name: str) -> str:
        return self.options.bind_address if name == API_SERVER else LOOPBACK

    def _host(self) -> str:
        """Under which the API server is called: where it listens, or what it advertises if that is everywhere."""
        bind = self.options.bind_address
        if not ipaddress.ip_address(bind).is_unspecified:
            return bind
        return self.options.advertise_address or LOOPBACK


def _locate(names: Sequence[str]) -> Mapping[str, Path]:
    # Not at the top: whoever brings the binaries needs none of it.
    from kdl_testing.envtest.assets import locate

    return locate(names, report=lambda line: None, fetch=False)
