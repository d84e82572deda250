"""Gets the Lease, keeps it, and gives it back: of several processes, one at a time leads.

This bounds for how long two may believe that they lead (not at all, unless a process stands still); it does not fence
what they write: https://pkg.go.dev/k8s.io/client-go/tools/leaderelection says the same of its own.
"""

import asyncio
import math
import random
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from kdl_runtime.client.client import Client
from kdl_runtime.client.options import WatchOptions
from kdl_runtime.clock import Clock
from kdl_runtime.codec.json import decode
from kdl_runtime.codec.times import format_micro_time
from kdl_runtime.errors import AlreadyExists, ApiError, Conflict, KdlError, NotFound, TransportError
from kdl_runtime.leader.lease import JITTER, ElectionOptions, LeaseRecord, Observation, claim, released
from kdl_runtime.resources.registry import LEASES
from kdl_runtime.types import ObjectKey

log = structlog.get_logger(__name__)


class LeadershipLostError(KdlError):
    """The lease could not be renewed in time, or somebody else holds it: the process has to end."""


class LeaderElector:
    """One candidate.

    While another holds the lease it is watched, so that its release is noticed at once; where the watch is not allowed
    it is read every retry period. Leading ends ``renew_deadline`` after the last renewal was begun, and as soon as
    the lease is seen not to be ours. ``on_slow_path`` is called for each renewal that does not succeed with the one
    request that it usually takes, because somebody else has changed the lease.
    """

    def __init__(self, client: Client, options: ElectionOptions, clock: Clock, rng: random.Random) -> None:
        self.name = options.name
        self.options = options
        self.on_slow_path: Callable[[], None] = lambda: None
        self._client = client
        self._clock = clock
        self._rng = rng
        self._key = ObjectKey(options.namespace, options.name)
        self._lease: dict[str, Any] | None = None
        self._observed = Observation(LeaseRecord(), 0.0)
        self._renewed_at = 0.0
        self._leading = False
        self._task: asyncio.Task[None] | None = None

    @property
    def leading(self) -> bool:
        return self._leading

    @property
    def leader(self) -> str:
        """Who held the lease when it was last seen; "" for nobody."""
        return self._observed.record.holder

    def start(self, on_elected: Callable[[], None], on_lost: Callable[[BaseException], None]) -> None:
        """Run in the current event loop. ``on_lost`` is told why leading, or trying to, has ended."""
        self._task = asyncio.create_task(self._run(on_elected, on_lost), name="leader election")

    async def stop(self, *, release: bool) -> None:
        """End, and let others lead at once if ``release``: only after everything that a leader does has ended."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        # Another may lead before the answer to the release is here.
        led, self._leading = self._leading, False
        if release and led and self.options.release_on_exit:
            await self._release()

    def check(self) -> None:
        """LeadershipLostError when we lead by a lease that has run out."""
        late = self._clock.monotonic() - self._renewed_at - self.options.lease_duration
        if self._leading and late > 0:
            raise LeadershipLostError(f"the lease {self._key} ran out {late:.0f} s ago and still we lead")

    async def _run(self, on_elected: Callable[[], None], on_lost: Callable[[BaseException], None]) -> None:
        try:
            await self.acquire()
            on_elected()
            await self.renew()
        except Exception as error:
            self._leading = False
            on_lost(error)

    async def acquire(self) -> None:
        """Until we lead."""
        log.info("waiting for the lease", lease=str(self._key), identity=self.options.identity)
        while not await self._attempt():
            await self._until_free()
        self._leading = True
        log.info("leading", lease=str(self._key), identity=self.options.identity)

    async def renew(self) -> None:
        """Keeps the lease until LeadershipLostError."""
        while True:
            await self._clock.sleep(min(self.options.retry_period, max(self._left, 0.0)))
            if await self._attempt():
                continue
            if self.leader != self.options.identity:
                now = f"is held by {self.leader}" if self.leader else "was given up by another process"
                raise LeadershipLostError(f"the lease {self._key} {now}")
            if self._left <= 0:
                raise LeadershipLostError(
                    f"the lease {self._key} could not be renewed for {self.options.renew_deadline:g} s"
                )

    @property
    def _left(self) -> float:
        """Seconds until a leader must have renewed."""
        return self._renewed_at + self.options.renew_deadline - self._clock.monotonic()

    async def _attempt(self) -> bool:
        """Whether we hold the lease now. Every request is bounded, and all of them by the deadline of a leader."""
        limit = self.options.request_timeout
        if self._leading:
            limit = min(limit, max(self._left, 0.0))
        try:
            async with asyncio.timeout(limit):
                return await self._take_or_keep()
        except (ApiError, TransportError, TimeoutError) as error:
            log.warning("the lease could not be read or written", lease=str(self._key), error=str(error) or "timeout")
            return False

    async def _take_or_keep(self) -> bool:
        if self._leading and self._lease is not None:
            try:
                return await self._write(self._lease)
            except (Conflict, NotFound):
                log.debug("the lease was changed by somebody else", lease=str(self._key))
            self.on_slow_path()
        try:
            self._see(await self._client.get(LEASES, self._key))
        except NotFound:
            return await self._create()
        if self._leading and self.leader != self.options.identity:
            # Whoever took it, and may have given it back since, has led meanwhile: what we know is out of date.
            return False
        others = self.leader not in ("", self.options.identity)
        if others and self._observed.expires > self._clock.monotonic():
            return False
        try:
            return await self._write(self._lease or {})
        except (Conflict, NotFound):
            return False

    async def _create(self) -> bool:
        began = self._clock.monotonic()
        metadata = {"namespace": self.options.namespace, "name": self.options.name}
        spec = claim(None, self.options, format_micro_time(self._clock.now())).encode()
        try:
            self._see(await self._client.create(LEASES, {"metadata": metadata, "spec": spec}))
        except AlreadyExists:
            return False
        self._renewed_at = began
        return True

    async def _write(self, lease: Mapping[str, Any]) -> bool:
        """Conflict if the lease is not any more as ``lease`` shows it."""
        began = self._clock.monotonic()
        record = claim(LeaseRecord.decode(lease), self.options, format_micro_time(self._clock.now()))
        self._see(
            await self._client.update(LEASES, {**lease, "spec": {**(lease.get("spec") or {}), **record.encode()}})
        )
        self._renewed_at = began
        return True

    async def _until_free(self) -> None:
        """Until the lease is released, has run out, or cannot be watched and a retry period is over."""
        pause = self.options.retry_period * (1 + JITTER * self._rng.random())
        left = self._observed.expires - self._clock.monotonic()
        if self._lease is None or left <= 0:
            await self._clock.sleep(pause)
            return
        try:
            # Never less than what any clock advances by, or a rounded rest would be waited for again and again.
            async with asyncio.timeout(max(left, 0.001)) as limit:
                await self._watch(limit)
        except TimeoutError:
            return
        except (ApiError, TransportError) as error:
            log.debug("the lease cannot be watched", lease=str(self._key), error=str(error))
        if self.leader:
            await self._clock.sleep(pause)

    async def _watch(self, limit: asyncio.Timeout) -> None:
        """Follows the lease while somebody holds it; each renewal moves ``limit``."""
        options = WatchOptions(
            field_selector=f"metadata.name={self.options.name}",
            resource_version=(self._lease or {}).get("metadata", {}).get("resourceVersion", ""),
            allow_bookmarks=False,
            timeout_seconds=math.ceil(self.options.lease_duration * 20),
        )
        async with self._client.watch(LEASES, self.options.namespace, options) as events:
            async for event in events:
                if event.type == "ERROR":
                    return
                if event.type == "DELETED":
                    self._lease, self._observed = None, Observation(LeaseRecord(), self._clock.monotonic())
                    return
                self._see(decode(event.object))
                if not self.leader:
                    return
                limit.reschedule(asyncio.get_running_loop().time() + self._observed.expires - self._clock.monotonic())

    async def _release(self) -> None:
        try:
            async with asyncio.timeout(self.options.request_timeout):
                await self._give_back()
        except (ApiError, TransportError, TimeoutError) as error:
            log.warning("the lease was not released", lease=str(self._key), error=str(error) or "timeout")

    async def _give_back(self) -> None:
        while True:
            lease = await self._client.get(LEASES, self._key)
            record = LeaseRecord.decode(lease)
            if record.holder != self.options.identity:
                return
            spec = {**lease["spec"], **released(record, format_micro_time(self._clock.now())).encode()}
            try:
                await self._client.update(LEASES, {**lease, "spec": spec})
            except Conflict:
                continue
            log.info("lease released", lease=str(self._key))
            return

    def _see(self, lease: dict[str, Any]) -> None:
        self._lease = lease
        self._observed = self._observed.updated(LeaseRecord.decode(lease), self._clock.monotonic())
