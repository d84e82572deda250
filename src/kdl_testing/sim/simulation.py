"""What an author of an operator writes to have it simulated."""

import random
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from kdl_local.apiserver.server import ServerOptions
from kdl_runtime.backoff import BackoffPolicy
from kdl_runtime.cache.collection import WatcherOptions
from kdl_runtime.controller.options import ControllerOptions
from kdl_runtime.leader.lease import ElectionOptions
from kdl_runtime.manager.manager import Manager, ManagerOptions
from kdl_runtime.types import ObjectKey, Resource
from kdl_testing.sim.scenario import Action, Dice, Scenario
from kdl_testing.sim.world import World

_WATCHER = WatcherOptions(
    stream_progress_deadline=20.0, watch_lifetime=(60.0, 120.0), idle_limit=45.0, backoff=BackoffPolicy(cap=10.0)
)
_CONTROLLERS = ControllerOptions(backoff=BackoffPolicy(base=0.05, cap=20.0, jitter=0.0))
_MANAGER = ManagerOptions("0", "0", graceful_shutdown_timeout=10, watcher=_WATCHER, controllers=_CONTROLLERS)
_ELECTION = ElectionOptions("default", "leader", "process", lease_duration=30, renew_deadline=24, retry_period=16)
_SERVER = ServerOptions(bookmark_interval=15.0)


@dataclass(frozen=True, slots=True)
class Settings:
    """Times in virtual seconds; those of watches, back-offs and leases are shorter than in real life, for each of their
    rounds costs CPU.

    ``limit``: after the last action and fault, until everything must have come to rest. ``quiet``: then nothing may be
    asked of the API server for so long, but for renewals of the lease, watches and series of events. ``latency``: least
    and most of a request on its way, and of its answer. ``collected``: the kinds whose objects are deleted when their
    owner is gone, next to those of ``definitions``. ``reconciled``: for the names of controllers without predicates,
    the kind of which every object must be looked at after each change.
    """

    dice: Dice = field(default_factory=Dice)
    limit: float = 1500.0
    quiet: float = 60.0
    latency: tuple[float, float] = (0.001, 0.05)
    collected: tuple[Resource, ...] = ()
    reconciled: Mapping[str, Resource] = field(default_factory=dict)
    manager: ManagerOptions = _MANAGER
    election: ElectionOptions = _ELECTION
    server: ServerOptions = _SERVER


@dataclass(frozen=True, slots=True)
class Write:
    """A write that the server has carried out. ``actor``: a process, ``user``, or ``cluster`` (see ``ACTOR``).
    ``before`` is None for a new object, ``after`` None for one that is gone. Never change them."""

    actor: str
    resource: Resource
    key: ObjectKey
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


class Simulation:
    """One run; made anew for each. Derive from it, and give the class to ``explore``, ``check`` or ``replay``.

    What is true of every operator is checked for all: caches end as the server is and never go back, no key is with two
    workers, queues run empty, nothing is asked for while nothing happens, no error is logged with a traceback, a stop
    is in order. What is true of yours you say in ``problems`` and ``written``.
    """

    definitions: ClassVar[Sequence[Mapping[str, Any]]] = ()
    """CustomResourceDefinitions that are there from the start."""
    settings: ClassVar[Settings] = Settings()

    def __init__(self, world: World, scenario: Scenario) -> None:
        self.world = world
        self.scenario = scenario

    @classmethod
    @abstractmethod
    def draw(cls, rng: random.Random) -> Sequence[Action]:
        """What users do, within ``settings.dice.duration``; decided by ``rng`` alone."""
        raise NotImplementedError

    @abstractmethod
    async def build(self, manager: Manager) -> None:
        """Add the operator to a manager, as its ``main`` does: called at each start of each process."""
        raise NotImplementedError

    @abstractmethod
    async def act(self, action: Action) -> None:
        """Do an action. An ``ApiError`` is part of life, and ends the action."""
        raise NotImplementedError

    def written(self, write: Write) -> None:
        """Called after each write, for what must hold at any time: ``self.world.violated``."""

    def restored(self) -> None:
        """The store was set back: forget what can no longer be held against the operator."""

    def problems(self) -> Iterable[str]:
        """What is not as it should be in the end. Asked again until there is nothing, or the ``limit`` is over."""
        return ()

    def expected(self, error: BaseException) -> bool:
        """Whether an error that is logged with its traceback is one that the simulation has caused on purpose."""
        return False
