"""Writes reports into the status of their jobs, each job's at most every few seconds."""

import asyncio
from collections.abc import Sequence

import structlog

from kdl_runtime.client.client import Client
from kdl_runtime.client.options import Patch, PatchType, WriteOptions
from kdl_runtime.clock import Clock
from kdl_runtime.errors import ApiError, Conflict, Invalid, NotFound, TransportError
from kdl_workloads.engine.parallel import in_parallel
from kdl_workloads.progress.report import Report
from kdl_workloads.progress.target import Jobs, Target

log = structlog.get_logger(__name__)

INTERVAL = 5.0
"""Seconds from one write of a job's progress to the next; of the reports in between the last one is written."""
PAUSE = 0.5
"""Seconds until a write is tried again that met another one."""


class ProgressWriter:
    """Keeps the last report of each job until it is written. The first one is written at once. ``run`` it in every
    process that takes reports."""

    name = "progress"

    def __init__(self, client: Client, clock: Clock, jobs: Jobs) -> None:
        self._client = client
        self._clock = clock
        self._jobs = jobs
        self._pending: dict[Target, Report] = {}
        self._not_before: dict[Target, float] = {}
        self._news = asyncio.Event()

    def submit(self, target: Target, report: Report) -> None:
        self._pending[target] = report
        self._news.set()

    async def run(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            while self._pending:
                await self._write_due()
                if self._pending:
                    await self._wait()

    async def _wait(self) -> None:
        """Until the next report may be written, or another one has come, a moment at least."""
        now = self._clock.monotonic()
        due = min(self._not_before.get(target, now) for target in self._pending)
        sleep = asyncio.ensure_future(self._clock.sleep(max(due - now, 0.01)))
        news = asyncio.ensure_future(self._news.wait())
        try:
            await asyncio.wait((sleep, news), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiting in (sleep, news):
                waiting.cancel()
            await asyncio.gather(sleep, news, return_exceptions=True)
        self._news.clear()

    async def _write_due(self) -> None:
        now = self._clock.monotonic()
        self._not_before = {target: at for target, at in self._not_before.items() if at > now}
        due: Sequence[Target] = [target for target in self._pending if target not in self._not_before]
        await in_parallel(due, self._write)

    async def _write(self, target: Target) -> None:
        report = self._pending.pop(target)
        view = self._jobs.view(target)
        if view is None:
            return
        # Only this very job, and only on top of what is known of it.
        metadata = {"resourceVersion": view.metadata.resource_version}
        body = {"metadata": metadata, "status": {"progress": report.status(self._clock.now())}}
        wait = INTERVAL
        try:
            options = WriteOptions(subresource="status")
            await self._client.patch(target.resource, target.key, Patch(PatchType.MERGE, body), options)
        except (NotFound, Invalid) as error:
            log.warning("progress is not written", job=str(target.key), error=error.message)
        except Conflict:
            wait = PAUSE
            self._pending.setdefault(target, report)
        except (ApiError, TransportError) as error:
            log.warning("progress cannot be written now", job=str(target.key), error=str(error))
            self._pending.setdefault(target, report)
        self._not_before[target] = self._clock.monotonic() + wait
