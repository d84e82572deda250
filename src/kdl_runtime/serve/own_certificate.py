"""A certificate that a process makes for itself alone, for a server whose clients do not check it."""

import asyncio
import ssl
from datetime import timedelta

from kdl_runtime.clock import Clock, SystemClock
from kdl_runtime.serve.tls import ServingContext

LIFETIME = timedelta(days=365)
RENEW_BEFORE = timedelta(days=120)
LOOK_SECONDS = 24 * 3600.0

HOSTS = ("localhost", "127.0.0.1", "::1")


class OwnCertificate:
    """Encrypts and proves nothing: each process has an authority of its own that nobody is told about. It is made anew
    in memory long before it ends."""

    def __init__(self, hosts: tuple[str, ...] = HOSTS, clock: Clock | None = None) -> None:
        self._hosts = hosts
        self._clock = clock or SystemClock()
        self._serving = ServingContext()
        self._due = self._clock.now()
        self._task: asyncio.Task[None] | None = None

    @property
    def context(self) -> ssl.SSLContext:
        return self._serving.context

    async def start(self) -> None:
        self._issue()
        self._task = asyncio.create_task(self._renew(), name="own certificate")

    async def stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def check(self) -> None:
        """Clients do not trust it anyway."""

    def _issue(self) -> None:
        from kdl_runtime.serve.issuing import new_authority, new_server_certificate

        now = self._clock.now()
        authority = new_authority("self-signed", now, LIFETIME)
        pair = new_server_certificate(authority, self._hosts, now, LIFETIME)
        self._serving.use(pair.certificate, pair.key)
        self._due = now + LIFETIME - RENEW_BEFORE

    async def _renew(self) -> None:
        while True:
            # Clocks of machines that were suspended jump; a long sleep would not notice.
            await self._clock.sleep(LOOK_SECONDS)
            if self._clock.now() >= self._due:
                self._issue()
