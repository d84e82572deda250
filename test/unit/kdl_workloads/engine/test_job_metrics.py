"""Counters follow stored transitions."""

from dataclasses import replace

from prometheus_client import CollectorRegistry

from kdl_runtime.cache.event import Event, EventType
from kdl_runtime.codec.json import decoder, encode
from kdl_runtime.codec.times import format_time
from kdl_workloads.engine.metrics import JobMetrics
from kdl_workloads.engine.pod import Pod
from kdl_workloads.engine.view import JobView
from kdl_workloads.job import RestartPolicy
from unit.kdl_workloads.engine.world import World, after, make_job

OBJECT = {"metadata": {"creationTimestamp": "2026-01-01T12:00:00Z"}}
KIND = {"kind": "pytorchjob"}


def view(*conditions: tuple[str, str]) -> JobView:
    status = {"conditions": [{"type": type_, "status": value} for type_, value in conditions]}
    return decoder(JobView)(encode({"status": status}))


def ready_pod(name: str, seconds: float) -> Pod:
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": format_time(after(seconds))}
    return decoder(Pod)(encode({"metadata": {"name": name}, "status": {"phase": "Running", "conditions": [ready]}}))


def test_each_transition_is_counted_once() -> None:
    registry = CollectorRegistry()
    metrics = JobMetrics(registry)
    metrics.add_kind("PyTorchJob")
    world = World(make_job(policy=RestartPolicy.ON_FAILURE))

    def step() -> None:
        before = world.job
        world.step()
        metrics.record(OBJECT, before, world.job.status, ())

    for _ in range(2):
        step()
    world.run()
    step()
    world.end("job-worker-0", 1)
    for _ in range(3):
        step()
    world.run()
    step()
    world.end("job-master-0")
    for _ in range(2):
        step()
    counts = {
        name: registry.get_sample_value(f"kubedl_jobs_{name}", KIND)
        for name in ("created", "restarted", "successful", "failed", "deleted")
    }
    assert counts == {"created": 1, "restarted": 1, "successful": 1, "failed": 0, "deleted": 0}


def test_launch_delays_are_those_of_the_first_start() -> None:
    registry = CollectorRegistry()
    metrics = JobMetrics(registry)
    world = World(make_job())
    world.step()
    job = world.job
    world.run("job-master-0")
    world.step()
    some = [ready_pod("job-master-0", 4)]
    metrics.record(OBJECT, job, world.job.status, some)
    job = world.job
    world.run("job-worker-0", "job-worker-1")
    world.step()
    every = [*some, ready_pod("job-worker-0", 9), ready_pod("job-worker-1", 7)]
    metrics.record(OBJECT, job, world.job.status, every)
    metrics.record(OBJECT, world.job, replace(world.job.status, attempts=1), every)
    for name, seconds in (("first_pod", 4), ("all_pods", 9)):
        family = f"kubedl_jobs_{name}_launch_delay_seconds"
        assert registry.get_sample_value(f"{family}_count", KIND) == 1
        assert registry.get_sample_value(f"{family}_sum", KIND) == seconds


def test_gauges_follow_the_jobs_of_both_groups() -> None:
    registry = CollectorRegistry()
    metrics = JobMetrics(registry)
    metrics.add_kind("PyTorchJob")
    metrics.add_kind("PyTorchJob")
    created, running = view(("Created", "True")), view(("Running", "True"))
    failed = view(("Running", "False"), ("Failed", "True"))

    def gauges() -> tuple[float | None, float | None]:
        value = registry.get_sample_value
        return value("kubedl_jobs_pending", KIND), value("kubedl_jobs_running", KIND)

    assert gauges() == (0, 0)
    for job in (created, created, running, failed):
        metrics.follow("PyTorchJob", Event(EventType.ADDED, None, job))
    assert gauges() == (2, 1)
    metrics.follow("PyTorchJob", Event(EventType.MODIFIED, created, running))
    assert gauges() == (1, 2)
    metrics.follow("PyTorchJob", Event(EventType.MODIFIED, running, failed))
    metrics.follow("PyTorchJob", Event(EventType.DELETED, created, None))
    assert gauges() == (0, 1)
    assert registry.get_sample_value("kubedl_jobs_deleted", KIND) == 1


def test_a_kind_is_shown_at_zero_from_the_start() -> None:
    registry = CollectorRegistry()
    JobMetrics(registry).add_kind("XGBoostJob")
    for name in ("created", "deleted", "running", "pending"):
        assert registry.get_sample_value(f"kubedl_jobs_{name}", {"kind": "xgboostjob"}) == 0
