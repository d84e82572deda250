"""Certificates of servers, and the ones that somebody else keeps in files."""

import asyncio
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog

from kdl_runtime.clock import Clock
from kdl_runtime.observe.metrics import Metrics
from kdl_runtime.serve.tls import CertificateError, ServingContext

log = structlog.get_logger(__name__)

POLL_SECONDS = 10.0

WEBHOOK_DIRECTORY = Path("/tmp/k8s-webhook-server/serving-certs")
"""Where manifests that kubebuilder has made mount the certificate of a webhook."""


class Certificates(Protocol):
    """Gives a server its TLS context, and keeps the certificate in it valid from ``start`` to ``stop``."""

    @property
    def context(self) -> ssl.SSLContext: ...

    async def start(self) -> None:
        """There is a certificate when it returns. An exception keeps the server from starting."""
        ...

    async def stop(self) -> None: ...

    def check(self) -> None:
        """Raises while clients cannot trust what is served, or soon cannot: for readiness."""
        ...


@dataclass(frozen=True, slots=True)
class PairPaths:
    """Where a certificate and its key are, both PEM. The names are those that a Secret of type kubernetes.io/tls,
    mounted as a directory, has."""

    directory: Path = WEBHOOK_DIRECTORY
    certificate_name: str = "tls.crt"
    key_name: str = "tls.key"

    @property
    def certificate(self) -> Path:
        return self.directory / self.certificate_name

    @property
    def key(self) -> Path:
        return self.directory / self.key_name


class CertificateFiles:
    """A pair of files, looked at every ``interval`` seconds and served anew when one of them has changed.

    For files that are mounted from a Secret of cert-manager, and for any other issuer. Files that are written half, or
    do not fit together, leave the old pair in use: that is logged and counted, and tried again at the next look.
    """

    def __init__(self, paths: PairPaths, clock: Clock, metrics: Metrics, interval: float = POLL_SECONDS) -> None:
        self.paths = paths
        self._clock = clock
        self._metrics = metrics
        self._interval = interval
        self._serving = ServingContext()
        self._seen: tuple[object, ...] = ()
        self._task: asyncio.Task[None] | None = None

    @property
    def context(self) -> ssl.SSLContext:
        return self._serving.context

    async def start(self) -> None:
        """CertificateError if there is no usable pair yet."""
        self.reload()
        self._task = asyncio.create_task(self._poll(), name=f"certificate files {self.paths.directory}")

    async def stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def check(self) -> None:
        """Whether clients trust the certificate is known to its issuer alone."""

    def reload(self) -> bool:
        """Look at the files now. True if another pair is served than before; CertificateError if it cannot be used."""
        marks = tuple(_mark(path) for path in (self.paths.certificate, self.paths.key))
        if marks == self._seen:
            return False
        self._seen = ()
        self._metrics.certificate_reads.inc()
        try:
            changed = self._serving.use(self.paths.certificate.read_bytes(), self.paths.key.read_bytes())
        except (OSError, CertificateError) as error:
            self._metrics.certificate_read_errors.inc()
            reason = f"{error.strerror}: {error.filename}" if isinstance(error, OSError) else str(error)
            raise CertificateError(
                f"the pair {self.paths.certificate} and {self.paths.key} cannot be served: {reason}"
            ) from error
        self._seen = marks
        return changed

    async def _poll(self) -> None:
        while True:
            await self._clock.sleep(self._interval)
            try:
                if self.reload():
                    log.info("certificate has changed, new connections get it", path=str(self.paths.certificate))
            except CertificateError as error:
                log.warning("changed certificate cannot be served, going on with the old one", error=str(error))


def _mark(path: Path) -> object:
    """Differs when the file is another one: mounted Secrets change by a link to a new directory."""
    try:
        status = path.stat()
    except OSError as error:
        return error.errno
    return (status.st_mtime_ns, status.st_ino, status.st_size)
