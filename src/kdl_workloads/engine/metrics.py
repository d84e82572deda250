"""Metrics of jobs under KubeDL's names, so that its dashboards and alerts work unchanged.

Counters follow transitions that have been stored, so a restart of the operator or a repeated pass counts nothing twice.
KubeDL's counters have no ``_total`` in their names, which is why they are collected here by hand (type untyped). Unlike
KubeDL's, the histograms have no labels for name and UID of the job: such series would grow with the number of jobs.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import GaugeMetricFamily, UnknownMetricFamily
from prometheus_client.metrics_core import Metric

from kdl_runtime.codec.meta import PartialObject
from kdl_runtime.codec.times import parse_time
from kdl_workloads.engine.pod import Pod
from kdl_workloads.job import ConditionType, Job, JobStatus

CREATED, DELETED, SUCCESSFUL, FAILED, RESTARTED = "created", "deleted", "successful", "failed", "restarted"
_HELP = {
    CREATED: "Counts number of jobs created",
    DELETED: "Counts number of jobs deleted",
    SUCCESSFUL: "Counts number of jobs successfully finished",
    FAILED: "Counts number of jobs failed",
    RESTARTED: "Counts number of jobs restarted",
}
_COUNTED_CONDITIONS = {
    ConditionType.CREATED: CREATED,
    ConditionType.SUCCEEDED: SUCCESSFUL,
    ConditionType.FAILED: FAILED,
    ConditionType.RESTARTING: RESTARTED,
}
LAUNCH_BUCKETS = (0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1800)
"""Seconds from a job's creation to its pods' readiness: image pulls and queues take minutes."""


class ConditionView(msgspec.Struct, frozen=True, gc=False):
    type: str = ""
    status: str = ""


class JobStatusView(msgspec.Struct, frozen=True, gc=False):
    conditions: tuple[ConditionView, ...] = ()


class JobView(PartialObject, frozen=True, gc=False, rename="camel", omit_defaults=True):
    """Projection of a job of any dialect: all that is decoded of one that has finished."""

    status: JobStatusView = JobStatusView()

    def has(self, type_: ConditionType) -> bool:
        return any(condition.type == type_ and condition.status == "True" for condition in self.status.conditions)

    @property
    def finished(self) -> bool:
        return self.has(ConditionType.SUCCEEDED) or self.has(ConditionType.FAILED)

    @property
    def pending(self) -> bool:
        """It is known, and nothing of it has run yet."""
        return not (self.finished or self.has(ConditionType.RUNNING) or self.has(ConditionType.RESTARTING))


Jobs = Callable[[], Iterable[JobView]]


class JobMetrics:
    """The metrics of all kinds, in one registry. Labels: ``kind``, in lower case."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._jobs: dict[str, list[Jobs]] = {}
        self._first_pod = Histogram(
            "kubedl_jobs_first_pod_launch_delay_seconds",
            "Histogram for recording launch delay duration(from job created to first pod running).",
            ["kind"],
            buckets=LAUNCH_BUCKETS,
            registry=registry,
        )
        self._all_pods = Histogram(
            "kubedl_jobs_all_pods_launch_delay_seconds",
            "Histogram for recording sync launch delay duration(from job created to all pods running).",
            ["kind"],
            buckets=LAUNCH_BUCKETS,
            registry=registry,
        )
        registry.register(self)

    def add_kind(self, kind: str, jobs: Jobs) -> None:
        """Show the counters of a kind from now on, at 0, and count the running and pending ones of ``jobs`` at each
        scrape. Called once per API group that the kind is served in."""
        self._jobs.setdefault(kind.lower(), []).append(jobs)

    def count_deleted(self, kind: str) -> None:
        self._counts[DELETED, kind.lower()] += 1

    def record(self, obj: Mapping[str, Any], job: Job, status: JobStatus, pods: Sequence[Pod]) -> None:
        """A status has been stored in place of the one of ``job``, which was decoded from ``obj``."""
        kind = job.kind.lower()
        for type_, name in _COUNTED_CONDITIONS.items():
            if status.has(type_) and not job.status.has(type_):
                self._counts[name, kind] += 1
        created = obj["metadata"].get("creationTimestamp")
        ready = [moment for moment in (pod.ready_at for pod in pods) if moment is not None]
        if created and ready:
            self._observe_launch(job, status, parse_time(created), ready)

    def _observe_launch(self, job: Job, status: JobStatus, created: datetime, ready: Sequence[datetime]) -> None:
        first_start = status.has(ConditionType.RUNNING) and job.status.condition(ConditionType.RUNNING) is None
        if first_start and job.status.condition(ConditionType.RESTARTING) is None:
            self._first_pod.labels(job.kind.lower()).observe(_seconds(created, min(ready)))
        if _all_run(job, status) and not _all_run(job, job.status):
            self._all_pods.labels(job.kind.lower()).observe(_seconds(created, max(ready)))

    def collect(self) -> Iterator[Metric]:
        for name, text in _HELP.items():
            family = UnknownMetricFamily(f"kubedl_jobs_{name}", text, labels=["kind"])
            for kind in sorted(self._jobs):
                family.add_metric([kind], self._counts[name, kind])
            yield family
        running = GaugeMetricFamily("kubedl_jobs_running", "Counts number of jobs running currently", labels=["kind"])
        pending = GaugeMetricFamily("kubedl_jobs_pending", "Counts number of jobs pending currently", labels=["kind"])
        for kind, sources in sorted(self._jobs.items()):
            views = [view for source in sources for view in source()]
            running.add_metric([kind], sum(view.has(ConditionType.RUNNING) for view in views))
            pending.add_metric([kind], sum(view.pending for view in views))
        yield running
        yield pending


def _all_run(job: Job, status: JobStatus) -> bool:
    """Every replica runs, for the first time."""
    untouched = all(replica.restarts == 0 for replica in status.replicas.values())
    return untouched and 0 < job.total_replicas == sum(replica.active for replica in status.replicas.values())


def _seconds(start: datetime, end: datetime) -> float:
    return max((end - start).total_seconds(), 0.0)
