"""Metrics of jobs, under the names of KubeDL and of Kubeflow's training operator, so that their dashboards and alerts
work unchanged, and under our own where neither has any. docs/metrics.md is the list."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client import Counter as PrometheusCounter

from kdl_runtime.cache.event import Event
from kdl_runtime.codec.times import parse_time
from kdl_runtime.types import ObjectKey
from kdl_workloads.engine.jobcounts import JobCounts
from kdl_workloads.engine.jobseries import JobHistogram, JobLabels
from kdl_workloads.engine.observed import Observed
from kdl_workloads.engine.pod import Pod
from kdl_workloads.engine.transitions import Stage, Transition, counted, follows, stage, transitions
from kdl_workloads.engine.view import JobView
from kdl_workloads.job import ConditionType, JobStatus

LAUNCH_BUCKETS = (0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1800)
"""Seconds from a job's creation to its pods' readiness: image pulls and queues take minutes."""
WAIT_BUCKETS = (1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 14400, 86400)
"""Seconds that a job waits: for a place up to a day, for a replaced pod mostly minutes."""

_FIRST_POD = "Histogram for recording launch delay duration(from job created to first pod running)."
_ALL_PODS = "Histogram for recording sync launch delay duration(from job created to all pods running)."


class ChildMetrics:
    """What is made for jobs and taken away again. ``failed_pods`` are those that nobody had deleted."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str) -> PrometheusCounter:
            return PrometheusCounter(name, f"The total number of {text}", registry=registry)

        self.created_pods = counter("created_pods", "created pods")
        self.deleted_pods = counter("deleted_pods", "deleted pods")
        self.failed_pods = counter("failed_pods", "failed pods")
        self.created_services = counter("succeeded_service_creation", "succeeded service creation")
        self.failed_services = counter("failed_service_creation", "failed service creation")
        self.created_pod_groups = counter("created_pod_groups", "created pod groups")
        self.deleted_pod_groups = counter("deleted_pod_groups", "deleted pod groups")


class JobMetrics:
    """The metrics of all kinds, in one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def histogram(name: str, text: str, buckets: Sequence[float]) -> Histogram:
            return Histogram(name, text, ["kind"], buckets=buckets, registry=registry)

        def per_job(name: str, text: str, buckets: Sequence[float], *more: str) -> JobHistogram:
            return JobHistogram(registry, name, text, buckets, more)

        self.counts = JobCounts(registry)
        self.children = ChildMetrics(registry)
        delay = "launch_delay_seconds"
        self.first_pod_of_job = per_job(f"kubedl_jobs_first_pod_{delay}", _FIRST_POD, LAUNCH_BUCKETS)
        self.all_pods_of_job = per_job(f"kubedl_jobs_all_pods_{delay}", _ALL_PODS, LAUNCH_BUCKETS)
        self.status_of_job = per_job("kubedl_job_status", "Counts number of jobs with status", [1], "status", "reason")
        self.first_pod = histogram(
            f"kdl_jobs_first_pod_{delay}", "From a job's creation to its first ready pod.", LAUNCH_BUCKETS
        )
        self.all_pods = histogram(
            f"kdl_jobs_all_pods_{delay}", "From a job's creation until all its pods are ready.", LAUNCH_BUCKETS
        )
        self.queue = histogram("kdl_jobs_queue_seconds", "From a job's creation until it runs.", WAIT_BUCKETS)
        self.restart = histogram(
            "kdl_jobs_restart_seconds", "From a job's condition Restarting until it is Running again.", WAIT_BUCKETS
        )

    async def lead(self) -> None:
        """This process works, and no other does."""
        self.counts.leading = True

    def tracker(self, kind: str, framework: str) -> "JobTracker":
        """For the jobs of the kind in one API group. ``framework`` is what Kubeflow's metrics call the kind."""
        self.counts.add_kind(kind, framework)
        for family in (self.first_pod, self.all_pods, self.queue, self.restart):
            family.labels(kind.lower())
        return JobTracker(kind, self)

    def follow(self, kind: str, event: Event[JobView]) -> None:
        """A job of the kind has come, changed or gone: counts what runs and waits now without looking at all others."""
        old, new = event.old, event.new
        for job, change in ((old, -1), (new, 1)):
            if job is not None:
                self.counts.running[kind] += change * job.running
                self.counts.pending[kind] += change * job.pending
        if old is not None and (new is None or new.metadata.uid != old.metadata.uid):
            for family in (self.first_pod_of_job, self.all_pods_of_job, self.status_of_job):
                family.forget(old.metadata.uid)
            if self.counts.leading:
                self.counts.add(Transition.DELETED, kind, old.metadata.namespace)


class JobTracker:
    """Counts what happens to the jobs of one kind in one API group, each change once.

    It compares the stored status with what it has counted, and not with what a pass meant to write: a write whose
    answer was lost is counted by the pass that finds it. A job that it does not know is taken as its status says, but
    for a change that another operator did not live to carry out. Only jobs that go on are kept in memory.
    """

    def __init__(self, kind: str, metrics: JobMetrics) -> None:
        self._kind = kind
        self._metrics = metrics
        self._known: dict[ObjectKey, tuple[str, Stage]] = {}

    def begin(self, observed: Observed) -> None:
        """A pass over the job begins."""
        job = observed.job
        known = self._known.get(job.key)
        if known is None or known[0] != job.uid:
            self._known[job.key] = (job.uid, counted(observed))

    def settle(self, obj: Mapping[str, Any], observed: Observed, status: JobStatus) -> None:
        """``status`` is stored for the job, and what goes with it has been done. ``obj`` is the job as it was read."""
        job = observed.job
        _, before = self._known[job.key]
        after = follows(before, stage(job, status))
        if after != before:
            self._count(before, after, job.namespace)
            self._observe(obj, observed, status, (before, after))
            self._known[job.key] = (job.uid, after)
        if after.finished:
            self.forget(job.key)

    def forget(self, key: ObjectKey) -> None:
        """The job has finished, or is gone, or is none of ours."""
        self._known.pop(key, None)

    def _count(self, before: Stage, after: Stage, namespace: str) -> None:
        for transition in transitions(before, after):
            self._metrics.counts.add(transition, self._kind, namespace)

    def _observe(
        self, obj: Mapping[str, Any], observed: Observed, status: JobStatus, stages: tuple[Stage, Stage]
    ) -> None:
        metrics, kind, job = self._metrics, self._kind.lower(), observed.job
        before, after = stages
        labels = JobLabels(self._kind, job.name, job.namespace, job.uid)
        if after.state != before.state:
            metrics.status_of_job.observe(labels, 1, *after.state)
        running = status.condition(ConditionType.RUNNING)
        if running is None or not running.status:
            return
        since = before.restarting_since
        if since is not None and after.restarting_since is None:
            metrics.restart.labels(kind).observe(_seconds(since, running.last_transition_time))
        created, ready = obj["metadata"].get("creationTimestamp"), _ready(observed.pods)
        if not created:
            return
        start = parse_time(created)
        if not before.launched:
            metrics.queue.labels(kind).observe(_seconds(start, running.last_transition_time))
            first = _seconds(start, min(ready, default=running.last_transition_time))
            metrics.first_pod.labels(kind).observe(first)
            metrics.first_pod_of_job.observe(labels, first)
        if after.complete and not before.complete:
            last = _seconds(start, max(ready, default=observed.now))
            metrics.all_pods.labels(kind).observe(last)
            metrics.all_pods_of_job.observe(labels, last)


def _ready(pods: Sequence[Pod]) -> list[datetime]:
    return [moment for moment in (pod.ready_at for pod in pods) if moment is not None]


def _seconds(start: datetime, end: datetime) -> float:
    return max((end - start).total_seconds(), 0.0)
