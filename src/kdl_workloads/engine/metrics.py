"""Metrics of jobs under KubeDL's names, so that its dashboards and alerts work unchanged.

Counters follow transitions that have been stored, so a restart of the operator or a repeated pass counts nothing twice.
KubeDL's counters have no ``_total`` in their names, which is why they are collected here by hand (type untyped). Unlike
KubeDL's, the histograms have no labels for name and UID of the job: such series would grow with the number of jobs.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import GaugeMetricFamily, UnknownMetricFamily
from prometheus_client.metrics_core import Metric

from kdl_runtime.cache.event import Event
from kdl_runtime.codec.times import parse_time
from kdl_workloads.engine.pod import Pod
from kdl_workloads.engine.view import JobView
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


class JobMetrics:
    """The metrics of all kinds, in one registry. Labels: ``kind``, in lower case."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._kinds: set[str] = set()
        self._running: Counter[str] = Counter()
        self._pending: Counter[str] = Counter()
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

    def add_kind(self, kind: str) -> None:
        """Show the metrics of a kind from now on, at 0. May be called once per API group that the kind is served in."""
        self._kinds.add(kind.lower())

    def follow(self, kind: str, event: Event[JobView]) -> None:
        """A job of the kind has come, changed or gone: counts what runs and waits now without looking at all others."""
        kind = kind.lower()
        for job, change in ((event.old, -1), (event.new, 1)):
            if job is not None:
                self._running[kind] += change * job.running
                self._pending[kind] += change * job.pending
        if event.new is None:
            self._counts[DELETED, kind] += 1

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
            for kind in sorted(self._kinds):
                family.add_metric([kind], self._counts[name, kind])
            yield family
        for name, text, counts in (
            ("running", "Counts number of jobs running currently", self._running),
            ("pending", "Counts number of jobs pending currently", self._pending),
        ):
            gauge = GaugeMetricFamily(f"kubedl_jobs_{name}", text, labels=["kind"])
            for kind in sorted(self._kinds):
                gauge.add_metric([kind], counts[kind])
            yield gauge


def _all_run(job: Job, status: JobStatus) -> bool:
    """Every replica runs, for the first time."""
    untouched = all(replica.restarts == 0 for replica in status.replicas.values())
    return untouched and 0 < job.total_replicas == sum(replica.active for replica in status.replicas.values())


def _seconds(start: datetime, end: datetime) -> float:
    return max((end - start).total_seconds(), 0.0)
