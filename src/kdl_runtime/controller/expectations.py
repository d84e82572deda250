"""Which children a controller has just asked for and not yet seen.

You do not need this if the names of children follow from their owner's (``job-worker-0``): a second create then ends in
AlreadyExists, and what this process writes is in its cache when the write returns. It is for children with
``generateName``: there, a reconciliation that looks into a cache that lags makes too many. And it is no proof: what is
expected is forgotten after five minutes and with the process. The semantics are those of ``ControllerExpectations``
(k8s.io/kubernetes/pkg/controller/controller_utils.go)::

    expectations = Expectations(manager.clock)
    pods.add_handler(expectations.observer(JOBS))

    async def reconcile(request):
        if not expectations.satisfied(request):
            return None                            # The event that is awaited brings us back.
        async with expectations.creation(request):
            await client.create(PODS, pod)
"""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from kdl_runtime.cache.event import Event
from kdl_runtime.clock import Clock
from kdl_runtime.codec.meta import PartialObject
from kdl_runtime.types import Request, Resource, parse_api_version

EXPIRY = 300.0
"""Seconds after which what has not come is not waited for any longer: an event may have been lost for good."""


@dataclass(slots=True)
class _Expected:
    since: float
    creations: int = 0
    deletions: set[str] = field(default_factory=set)
    """UIDs: an update that begins a deletion and the deletion itself count once."""

    @property
    def fulfilled(self) -> bool:
        return self.creations <= 0 and not self.deletions


class Expectations:
    """One for each controller and kind of child; keys are those of the owners. ``expiry`` in seconds.

    Every method is synchronous: say what you expect before you ask for it, or its event may come first.
    """

    def __init__(self, clock: Clock, expiry: float = EXPIRY) -> None:
        self._clock = clock
        self._expiry = expiry
        self._expected: dict[Request, _Expected] = {}

    def __len__(self) -> int:
        """Owners of which something is known."""
        return len(self._expected)

    def satisfied(self, owner: Request) -> bool:
        """Whether all that was expected has come, or it is too long ago; also if nothing was expected."""
        expected = self._expected.get(owner)
        if expected is None:
            return True
        if expected.fulfilled or self._clock.monotonic() - expected.since > self._expiry:
            del self._expected[owner]
            return True
        return False

    def expect_creations(self, owner: Request, count: int) -> None:
        """So many creates follow, on top of what is expected already."""
        self._raise(owner).creations += count

    def expect_deletions(self, owner: Request, uids: Iterable[str]) -> None:
        """Deletes of these follow, on top of what is expected already."""
        self._raise(owner).deletions.update(uids)

    def creation_seen(self, owner: Request) -> None:
        """A child has come, or its create has failed: either way one less is to come."""
        expected = self._expected.get(owner)
        if expected is not None and expected.creations > 0:
            expected.creations -= 1

    def deletion_seen(self, owner: Request, uid: str) -> None:
        """A child is being deleted or gone, or its delete has failed."""
        expected = self._expected.get(owner)
        if expected is not None:
            expected.deletions.discard(uid)

    def forget(self, owner: Request) -> None:
        """The owner is gone."""
        self._expected.pop(owner, None)

    @asynccontextmanager
    async def creation(self, owner: Request) -> AsyncIterator[None]:
        """For one create in its block: expected before, and not any longer if the block raises.

        A create whose answer was lost is such a failure; the child may exist, and is found when its event comes.
        """
        self.expect_creations(owner, 1)
        try:
            yield
        except BaseException:
            self.creation_seen(owner)
            raise

    @asynccontextmanager
    async def deletion(self, owner: Request, uid: str) -> AsyncIterator[None]:
        """For one delete in its block: expected before, and not any longer if the block raises."""
        self.expect_deletions(owner, (uid,))
        try:
            yield
        except BaseException:
            self.deletion_seen(owner, uid)
            raise

    def observer(self, owner: Resource) -> Callable[[Event[Any]], None]:
        """A handler for the informer of the children, which lowers what is expected of the owners of that kind."""

        def observe(event: Event[Any]) -> None:
            child: PartialObject = event.object
            key = _controlled_by(child, owner)
            if key is None:
                return
            if event.new is None or child.metadata.deletion_timestamp is not None:
                # One that is being deleted when it is first seen is old, and not what was just asked for.
                self.deletion_seen(key, child.metadata.uid)
            elif event.old is None:
                self.creation_seen(key)

        return observe

    def _raise(self, owner: Request) -> _Expected:
        now = self._clock.monotonic()
        expected = self._expected.get(owner)
        if expected is None or expected.fulfilled or now - expected.since > self._expiry:
            expected = self._expected[owner] = _Expected(now)
        return expected


def _controlled_by(child: PartialObject, owner: Resource) -> Request | None:
    """The key of the object of that kind that controls the child."""
    reference = child.metadata.controller
    if reference is None or reference.kind != owner.kind:
        return None
    if parse_api_version(reference.api_version)[0] != owner.group:
        return None
    return Request(child.metadata.namespace if owner.namespaced else "", reference.name)
