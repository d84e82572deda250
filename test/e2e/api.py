"""The API server for tests that are not asynchronous: the runtime's client in a loop of its own thread."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from kdl_runtime.client.client import Client
from kdl_runtime.clock import SystemClock
from kdl_runtime.transport.http import HttpTransport
from kdl_runtime.transport.kubeconfig import load_config

T = TypeVar("T")
Object = dict[str, Any]

REQUEST_SECONDS = 30.0
"""Seconds after which a request is given up: the server may be down just then."""


class Api:
    """``api(lambda client: client.get(...))`` is the answer, or raises what the client raises."""

    def __init__(self, kubeconfig: Path) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="api", daemon=True)
        self._thread.start()
        self._transport: HttpTransport = self._submit(self._open(kubeconfig)).result(REQUEST_SECONDS)
        self.client = Client(self._transport, SystemClock(), field_manager="kdl-e2e")

    def __call__(self, work: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
        async def bounded() -> T:
            async with asyncio.timeout(REQUEST_SECONDS):
                return await work(self.client)

        return self._submit(bounded()).result()

    def start(self, work: Callable[[Client], Coroutine[Any, Any, T]]) -> "Future[T]":
        """Work that goes on until it is cancelled, such as a watch."""
        return self._submit(work(self.client))

    def close(self) -> None:
        self._submit(self._transport.close()).result(REQUEST_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _submit(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _open(self, kubeconfig: Path) -> HttpTransport:
        return HttpTransport(load_config(str(kubeconfig)), SystemClock())
