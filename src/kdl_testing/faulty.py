"""Faults that a test asks for."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from kdl_local.apiserver.faults import FaultRates, RandomFaults, RequestFault, WatchFault
from kdl_local.apiserver.request import Request
from kdl_local.apiserver.server import ApiServer
from kdl_runtime.errors import ApiError
from kdl_testing.sim.gateway import Gateway
from kdl_testing.sim.wire import Trouble, WireFault


@dataclass(slots=True)
class _Refusal:
    error: ApiError
    method: str
    path: str
    left: int | None

    def concerns(self, request: Request) -> bool:
        return self.left != 0 and self.method in ("", request.method) and request.path.endswith(self.path)


class TestFaults:
    """Faults of one local cluster, at rates, once, or for the time of a ``with`` block."""

    __test__ = False

    def __init__(self, server: ApiServer, gateway: Gateway, seed: int = 0) -> None:
        self._server = server
        self._gateway = gateway
        self._random = RandomFaults(random.Random(seed), FaultRates())
        self._refusals: list[_Refusal] = []
        self.refused = 0
        """Requests that ``refuse`` has had refused."""
        server.faults = self

    @property
    def rates(self) -> FaultRates:
        """What happens at random, to every request and watch; ``FaultRates()`` is nothing."""
        return self._random.rates

    @rates.setter
    def rates(self, rates: FaultRates) -> None:
        self._random.rates = rates

    def refuse(self, error: ApiError, *, method: str = "", path: str = "", times: int | None = None) -> None:
        """Answer the next ``times`` requests (None: all) of this method whose path ends so with an error."""
        self._refusals.append(_Refusal(error, method, path, times))

    def relent(self) -> None:
        """End all that ``refuse`` has begun, and the rates."""
        self._refusals.clear()
        self.rates = FaultRates()

    @contextmanager
    def during(self, kind: WireFault, amount: float = 0.0, *, user: str = "") -> Iterator[None]:
        """A fault of the wire, for the time of the block: all answers wait, watches fall silent, events come late.
        Stale lists are as of its beginning. ``user``: whose requests; "" is everybody's."""
        if kind is WireFault.STALE_LISTS and not amount:
            amount = self._server.store.revision
        trouble = Trouble(kind, user, amount)
        self._gateway.wire.begin(trouble)
        try:
            yield
        finally:
            self._gateway.wire.end(trouble)

    def expire(self) -> None:
        """Forget all history: watches that resume, and continue tokens, get 410."""
        self._server.store.compact()

    # ---- for the server

    def request(self, request: Request) -> RequestFault:
        for refusal in self._refusals:
            if refusal.concerns(request):
                refusal.left = None if refusal.left is None else refusal.left - 1
                self.refused += 1
                return RequestFault(error=refusal.error)
        return self._random.request(request)

    def watch(self, request: Request) -> WatchFault:
        return self._random.watch(request)
