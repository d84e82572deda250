"""Leader election in a thread and an event loop of its own.

A reconciler that computes, a large list that is decoded, or a full garbage collection holds the event loop up; renewals
must not wait for them, and a process that has lost the lease must end even if its event loop never looks up again.
"""

import asyncio
import contextlib
import os
import random
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import structlog

from kdl_runtime.client.client import Client
from kdl_runtime.clock import SystemClock
from kdl_runtime.errors import KdlError
from kdl_runtime.leader.elector import LeaderElector
from kdl_runtime.leader.lease import ElectionOptions
from kdl_runtime.transport.config import ClusterConfig
from kdl_runtime.transport.http import HttpTransport, TransportOptions

log = structlog.get_logger(__name__)

ElectorFactory = Callable[[], AbstractAsyncContextManager[LeaderElector]]
"""Makes the elector with a client of its own, inside the thread's event loop, and closes that client in the end."""


def elector_of(config: ClusterConfig, options: ElectionOptions) -> ElectorFactory:
    """Makes electors with connections of their own to the cluster."""

    @asynccontextmanager
    async def make() -> AsyncIterator[LeaderElector]:
        clock = SystemClock()
        limit = options.request_timeout
        transport = HttpTransport(config, clock, TransportOptions(timeout=limit, connect_timeout=limit))
        try:
            yield LeaderElector(Client(transport, clock), options, clock, random.Random())
        finally:
            await transport.close()

    return make


class ElectionThread:
    """Runs what ``make`` makes; ``name`` is that of the lease. Callbacks come in the event loop that called ``start``,
    but ``on_slow_path`` (``LeaderElector``) in the election's thread.

    When leadership is lost and nobody calls ``stop`` before another may lead, ``exit_process`` is called with 1.
    """

    def __init__(self, name: str, make: ElectorFactory, exit_process: Callable[[int], object] = os._exit) -> None:
        self.name = name
        self.on_slow_path: Callable[[], None] = lambda: None
        self._make = make
        self._exit_process = exit_process
        self._elector: LeaderElector | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._asked = threading.Event()
        self._release = False
        self._thread: threading.Thread | None = None

    @property
    def options(self) -> ElectionOptions | None:
        """Those of the elector; None until there is one."""
        return self._elector.options if self._elector is not None else None

    def start(self, on_elected: Callable[[], None], on_lost: Callable[[BaseException], None]) -> None:
        home = asyncio.get_running_loop()

        def elected() -> None:
            home.call_soon_threadsafe(on_elected)

        def lost(error: BaseException) -> None:
            # A loop that is closed has nobody to tell; the process then ends by the deadline.
            with contextlib.suppress(RuntimeError):
                home.call_soon_threadsafe(on_lost, error)

        def main() -> None:
            try:
                asyncio.run(self._serve(elected, lost))
            except Exception as error:
                lost(error)

        self._thread = threading.Thread(target=main, name="leader-election", daemon=True)
        self._thread.start()

    async def stop(self, *, release: bool) -> None:
        """As ``LeaderElector.stop``; returns when the thread has ended."""
        if self._thread is None:
            return
        self._release = release
        self._asked.set()
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stopping.set)
        await asyncio.to_thread(self._thread.join)

    def check(self) -> None:
        """As ``LeaderElector.check``; KdlError when the thread has ended unasked."""
        if self._elector is not None:
            self._elector.check()
        if self._thread is not None and not self._thread.is_alive() and not self._asked.is_set():
            raise KdlError("the thread of the leader election has ended")

    async def _serve(self, elected: Callable[[], None], lost: Callable[[BaseException], None]) -> None:
        self._loop = asyncio.get_running_loop()
        if self._asked.is_set():
            return
        ended = asyncio.Event()

        def on_lost(error: BaseException) -> None:
            lost(error)
            ended.set()

        async with self._make() as elector:
            self._elector = elector
            elector.on_slow_path = self.on_slow_path
            elector.start(elected, on_lost)
            waits = [asyncio.create_task(event.wait()) for event in (self._stopping, ended)]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if not self._stopping.is_set():
                await self._until_asked(elector)
            for wait in waits:
                wait.cancel()
            await elector.stop(release=self._release)

    async def _until_asked(self, elector: LeaderElector) -> None:
        margin = elector.options.lease_duration - elector.options.renew_deadline
        try:
            async with asyncio.timeout(margin):
                await self._stopping.wait()
        except TimeoutError:
            log.error("leadership is lost and the process does not end: ending it", seconds=margin)
            self._exit_process(1)
