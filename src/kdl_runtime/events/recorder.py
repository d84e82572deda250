"""Tells users what happened to an object, as Events that kubectl describe shows."""

import asyncio
import contextlib
import random
import re
import zlib
from collections.abc import Mapping
from typing import Any

import structlog

from kdl_runtime.client.client import Client, Patch, PatchType
from kdl_runtime.clock import Clock
from kdl_runtime.codec.meta import PartialObject
from kdl_runtime.errors import (
    AlreadyExists,
    InternalError,
    NotFound,
    ServiceUnavailable,
    Timeout,
    TooManyRequests,
    TransportError,
)
from kdl_runtime.events.series import Aggregator, Series, Subject, event_object, series_fields
from kdl_runtime.observe.metrics import Metrics
from kdl_runtime.resources.registry import EVENTS
from kdl_runtime.types import ObjectKey

log = structlog.get_logger(__name__)

QUEUE_SIZE = 1000
WRITERS = 4
ATTEMPTS = 12
RETRY_SECONDS = 10.0
HOUSEKEEPING_SECONDS = 180.0

_PASSING = (TransportError, TooManyRequests, InternalError, ServiceUnavailable, Timeout)
_NOT_IN_NAMES = re.compile(r"[^a-z0-9.-]+")


class EventRecorder:
    """Records events without ever making the caller wait or fail.

    Up to 1000 events wait to be written; more are dropped and counted (``kdl_runtime_events_total``). Share one
    recorder: it recognises repetitions. ``reporting_controller`` is a qualified name, ``instance`` says which process.
    ``metrics`` may be set later, by who creates them.
    """

    def __init__(
        self, client: Client, clock: Clock, rng: random.Random, reporting_controller: str, instance: str
    ) -> None:
        self.metrics: Metrics | None = None
        self._client = client
        self._clock = clock
        self._rng = rng
        self._controller = reporting_controller
        self._instance = instance or reporting_controller
        self._aggregator = Aggregator()
        self._queues: list[asyncio.Queue[Series]] = [asyncio.Queue(QUEUE_SIZE // WRITERS) for _ in range(WRITERS)]
        self._retrying = True

    def event(  # noqa: PLR0913  # the vocabulary of events.k8s.io/v1
        self,
        regarding: PartialObject | Mapping[str, Any],
        type_: str,
        reason: str,
        message: str,
        *,
        action: str = "",
        related: PartialObject | Mapping[str, Any] | None = None,
    ) -> None:
        """Something happened to ``regarding``.

        ``type_`` is Normal or Warning. ``reason`` is one UpperCamelCase word for machines, ``message`` a sentence for
        people. ``action`` is what was tried, by default the reason. ``related`` is another object that took part.
        ValueError for another type, or no reason; what is too long for the API is cut.
        """
        if type_ not in ("Normal", "Warning"):
            raise ValueError(f"event type {type_!r} must be Normal or Warning")
        if not reason:
            raise ValueError(f"an event needs a reason: one UpperCamelCase word for {message!r}")
        reference = object_reference(regarding)
        subject = Subject(type_, reason, action or reason, reference, object_reference(related) if related else ())
        name = event_name(dict(reference).get("name", ""), self._rng.getrandbits(64))
        series = self._aggregator.tell(subject, message, self._clock.now(), self._clock.monotonic(), name)
        if series is not None:
            self._submit(series)

    async def run(self) -> None:
        """Write until cancelled; call ``flush`` before that."""
        async with asyncio.TaskGroup() as group:
            for number, queue in enumerate(self._queues):
                group.create_task(self._write_all(queue), name=f"event writer {number}")
            group.create_task(self._keep_house(), name="event series")

    async def flush(self, timeout: float | None) -> bool:
        """Write all that was told, within ``timeout`` seconds (None: no limit), trying nothing twice any more.

        Whether all was written; what was not is lost. Waits in vain if nobody has called ``run``.
        """
        self._retrying = False
        for series in self._aggregator.finish(self._clock.monotonic()):
            self._submit(series)
        try:
            async with asyncio.timeout(timeout):
                for queue in self._queues:
                    await queue.join()
        except TimeoutError:
            left = sum(queue.qsize() for queue in self._queues)
            log.warning("events are lost: there was no time to write them", events=left)
            return False
        return True

    def _submit(self, series: Series) -> None:
        if series.queued:
            return
        # All writes of one Event go through one queue, so that a series is never written before its Event.
        queue = self._queues[zlib.crc32(series.name.encode()) % WRITERS]
        try:
            queue.put_nowait(series)
        except asyncio.QueueFull:
            self._count("dropped")
        else:
            series.queued = True

    async def _keep_house(self) -> None:
        while True:
            await self._clock.sleep(HOUSEKEEPING_SECONDS)
            for series in self._aggregator.due(self._clock.monotonic()):
                self._submit(series)

    async def _write_all(self, queue: asyncio.Queue[Series]) -> None:
        while True:
            series = await queue.get()
            series.queued = False
            try:
                await self._write_with_retries(series)
            finally:
                queue.task_done()

    async def _write_with_retries(self, series: Series) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await self._write(series)
            except _PASSING as error:
                if attempt == ATTEMPTS or not self._retrying:
                    self._lost(series, error)
                    return
                await self._clock.sleep(RETRY_SECONDS)
            except Exception as error:
                # Also a bug, or a text that is no valid Unicode: one event is not worth the process.
                self._lost(series, error)
                return
            else:
                self._count("written")
                return

    async def _write(self, series: Series) -> None:
        if not series.created:
            await self._create(series)
            return
        patch = Patch(PatchType.MERGE, {"series": series_fields(series)})
        try:
            await self._client.patch(EVENTS, ObjectKey(series.namespace, series.name), patch)
        except NotFound:
            # Expired meanwhile: events live for an hour.
            await self._create(series)

    async def _create(self, series: Series) -> None:
        # AlreadyExists: an earlier attempt came through without its answer.
        with contextlib.suppress(AlreadyExists):
            await self._client.create(EVENTS, event_object(series, self._controller, self._instance))
        series.created = True

    def _count(self, result: str) -> None:
        if self.metrics is not None:
            self.metrics.events_emitted.labels(result).inc()

    def _lost(self, series: Series, error: Exception) -> None:
        self._count("failed")
        subject = series.subject
        regarding = dict(subject.regarding)
        log.warning("event is lost", reason=subject.reason, note=series.note, regarding=regarding, error=str(error))


def object_reference(obj: PartialObject | Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """An ObjectReference as sorted items, so that it can be part of a key."""
    if isinstance(obj, PartialObject):
        meta = obj.metadata
        fields = {
            "apiVersion": obj.api_version,
            "kind": obj.kind,
            "namespace": meta.namespace,
            "name": meta.name,
            "uid": meta.uid,
        }
    else:
        metadata = obj.get("metadata") or {}
        fields = {name: str(obj.get(name) or "") for name in ("apiVersion", "kind")}
        fields |= {name: str(metadata.get(name) or "") for name in ("namespace", "name", "uid")}
    return tuple(sorted((name, value) for name, value in fields.items() if value))


def event_name(regarding: str, number: int) -> str:
    """``<object>.<16 hex digits>``, cut to what a name may be."""
    stem = _NOT_IN_NAMES.sub("-", regarding.lower())[:236].strip(".-")
    return f"{stem or 'event'}.{number:016x}"
