"""Jobs are counted by what is stored of them, once, under every name."""

from dataclasses import dataclass, field

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from kdl_runtime.cache.event import Event, EventType
from kdl_runtime.codec.json import decoder, encode
from kdl_runtime.codec.times import format_time
from kdl_workloads.engine.jobcounts import OTHER
from kdl_workloads.engine.jobseries import JobLabels
from kdl_workloads.engine.metrics import JobMetrics
from kdl_workloads.engine.pod import Pod
from kdl_workloads.engine.transitions import Transition
from kdl_workloads.engine.view import JobView
from kdl_workloads.job import CleanPodPolicy, ConditionType, RestartPolicy, RunPolicy
from unit.kdl_workloads.engine.world import World, after, make_job

OBJECT = {"metadata": {"creationTimestamp": "2026-01-01T12:00:00Z"}}
KIND = {"kind": "pytorchjob"}
OF_JOB = {"kind": "PyTorchJob", "name": "job", "namespace": "ns", "uid": "job-uid"}
OF_NAMESPACE = {"job_namespace": "ns", "framework": "pytorch"}


@dataclass
class Watched:
    """One job and an operator's metrics of it; ``restart`` puts another operator in the place of this one."""

    world: World
    totals: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self.totals = self.counts() if self.totals else dict.fromkeys(Transition, 0.0)
        self.registry = CollectorRegistry()
        self.metrics = JobMetrics(self.registry)
        self.tracker = self.metrics.tracker("PyTorchJob", "pytorch")

    def step(self, stop: str = "") -> None:
        """A pass. With ``stop`` the operator dies before or after it has stored the status."""
        observed = self.world.observed()
        self.tracker.begin(observed)
        plan = self.world.step(stop)
        if stop:
            self.restart()
        else:
            self.tracker.settle(OBJECT, observed, plan.status or observed.job.status)

    def lose_answer(self) -> None:
        """A pass that does not know whether its status was stored, and goes no further."""
        self.tracker.begin(self.world.observed())
        self.world.step("after")

    def counts(self) -> dict[str, float]:
        """Of all operators together."""
        return {name: self.totals[name] + self.value(f"kubedl_jobs_{name}", KIND) for name in Transition}

    def value(self, name: str, labels: dict[str, str]) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0


def watched(policy: RestartPolicy = RestartPolicy.ON_FAILURE) -> Watched:
    return Watched(World(make_job(policy=policy)))


def view(*conditions: tuple[str, str], uid: str = "uid") -> JobView:
    status = {"conditions": [{"type": type_, "status": value} for type_, value in conditions]}
    return decoder(JobView)(encode({"metadata": {"namespace": "ns", "uid": uid}, "status": status}))


def live(of: Watched, disturb: str = "") -> None:
    """The life of a job: a worker fails, is replaced, and the master succeeds. At each turn the operator dies before or
    after it has stored the status, or when it has done all, or does not learn what became of its status."""

    def turn() -> None:
        if disturb == "answer lost":
            of.lose_answer()
        elif disturb in ("before", "after"):
            of.step(disturb)
        for _ in range(2):
            of.step()
        if disturb == "at rest":
            of.restart()
        of.step()

    turn()
    of.world.run()
    turn()
    of.world.end("job-worker-0", 1)
    turn()
    of.world.run()
    turn()
    of.world.end("job-master-0")
    turn()


@pytest.mark.parametrize("disturb", ["", "at rest", "before", "after", "answer lost"])
def test_each_transition_is_counted_once(disturb: str) -> None:
    of = watched()
    live(of, disturb)
    assert of.counts() == {"created": 1, "restarted": 1, "successful": 1, "failed": 0, "deleted": 0}


def test_one_count_has_the_names_of_kubedl_and_of_kubeflow() -> None:
    of = watched()
    live(of)
    for transition in (Transition.CREATED, Transition.RESTARTED, Transition.SUCCESSFUL):
        assert of.value(f"kubedl_jobs_{transition}", KIND) == 1
        assert of.value(f"training_operator_jobs_{transition}_total", OF_NAMESPACE) == 1
    assert of.registry.get_sample_value("training_operator_jobs_failed_total", OF_NAMESPACE) is None


def test_an_operator_that_comes_during_the_clean_up_counts_nothing_again() -> None:
    of = watched()
    of.world.set_policy(RunPolicy(clean_pod_policy=CleanPodPolicy.ALL))
    of.step()
    of.world.run()
    of.step()
    of.world.end("job-master-0")
    of.step()
    assert of.world.pods["job-worker-0"].terminating
    of.restart()
    of.step()
    assert of.counts() == {"created": 1, "restarted": 0, "successful": 1, "failed": 0, "deleted": 0}


def test_a_failed_job_is_counted_and_not_as_restarted() -> None:
    of = watched(RestartPolicy.NEVER)
    of.step()
    of.world.run()
    of.step()
    of.world.end("job-worker-0", 1)
    of.step(stop="after")
    of.step()
    assert of.counts() == {"created": 1, "restarted": 0, "successful": 0, "failed": 1, "deleted": 0}


def test_kubedl_counters_are_counters_without_a_suffix() -> None:
    of = watched()
    of.step()
    text = generate_latest(of.registry).decode()
    assert "# TYPE kubedl_jobs_created counter\n" in text
    assert 'kubedl_jobs_created{kind="pytorchjob"} 1.0\n' in text
    assert "kubedl_jobs_created_total" not in text
    assert "# TYPE training_operator_jobs_created_total counter\n" in text


def test_delays_are_those_of_the_first_start() -> None:
    of = watched()
    of.step()
    for name, ready in (("job-master-0", 4), ("job-worker-0", 9), ("job-worker-1", 7)):
        of.world.run(name)
        of.world.pods[name] = _at(of.world.pods[name], ready)
        of.world.now = after(ready)
        of.step()
    of.step()
    for name, seconds in (("first_pod", 4), ("all_pods", 9)):
        for family, labels in (("kubedl_jobs", OF_JOB), ("kdl_jobs", KIND)):
            assert of.value(f"{family}_{name}_launch_delay_seconds_count", labels) == 1
            assert of.value(f"{family}_{name}_launch_delay_seconds_sum", labels) == seconds
    assert of.value("kdl_jobs_queue_seconds_sum", KIND) == 4


def _at(pod: Pod, seconds: float) -> Pod:
    """The pod as it is once it is ready."""
    raw = decoder(dict)(encode(pod))
    raw["status"]["conditions"] = [
        {"type": "Ready", "status": "True", "lastTransitionTime": format_time(after(seconds))}
    ]
    return decoder(Pod)(encode(raw))


def test_a_restart_lasts_until_the_job_runs_again() -> None:
    of = watched()
    of.step()
    of.world.run()
    of.step()
    of.world.now = after(100)
    of.world.end("job-master-0", 1)
    of.step()
    of.restart()
    of.step()
    of.world.now = after(145)
    of.world.run()
    of.step()
    assert of.value("kdl_jobs_restart_seconds_count", KIND) == 1
    assert of.value("kdl_jobs_restart_seconds_sum", KIND) == 45
    assert of.value("kdl_jobs_queue_seconds_count", KIND) == 0, "it had run before this operator came"


@pytest.mark.parametrize("another", [False, True])
def test_a_job_that_is_resumed_was_launched_before(another: bool) -> None:
    """Also by another operator, and also if it was suspended while it restarted."""
    of = watched()
    of.step()
    of.world.run()
    of.step()
    of.world.end("job-master-0", 1)
    of.step()
    of.world.set_policy(RunPolicy(suspend=True))
    of.step()
    for name in list(of.world.pods):
        of.world.stopped(name)
    of.step()
    assert of.value("kdl_jobs_queue_seconds_count", KIND) == 1
    if another:
        of.restart()
    of.world.set_policy(RunPolicy())
    of.step()
    of.world.run()
    of.step()
    assert of.world.job.status.has(ConditionType.RUNNING)
    assert of.value("kdl_jobs_queue_seconds_count", KIND) == (0 if another else 1)
    assert of.value("kdl_jobs_first_pod_launch_delay_seconds_count", KIND) == (0 if another else 1)


def test_the_status_of_a_job_is_observed_when_it_changes() -> None:
    of = watched()
    live(of)

    def count(status: str, reason: str) -> float:
        return of.value("kubedl_job_status_count", {**OF_JOB, "status": status, "reason": f"PyTorchJob{reason}"})

    assert count("Created", "Created") == count("Restarting", "Restarting") == count("Succeeded", "Succeeded") == 1
    assert count("Running", "Running") == 2


def test_series_of_jobs_are_bounded_and_go_with_the_job() -> None:
    of = watched()
    of.step()
    labels = {**OF_JOB, "status": "Created", "reason": "PyTorchJobCreated"}
    assert of.value("kubedl_job_status_count", labels) == 1
    of.metrics.follow("PyTorchJob", Event(EventType.DELETED, view(uid="job-uid"), None))
    assert of.registry.get_sample_value("kubedl_job_status_count", labels) is None
    for number in range(250):
        of.metrics.status_of_job.observe(_labels(number), 1, "Created", "JobCreated")
    (family,) = of.metrics.status_of_job.collect()
    uids = {sample.labels["uid"] for sample in family.samples}
    assert uids == {str(number) for number in range(200, 250)}


def _labels(number: int) -> JobLabels:
    return JobLabels("PyTorchJob", "job", "ns", str(number))


def test_namespaces_are_bounded() -> None:
    of = watched()
    for number in range(1100):
        of.metrics.counts.add(Transition.CREATED, "PyTorchJob", f"ns-{number}")
    assert of.value("kubedl_jobs_created", KIND) == 1100
    labels = {"framework": "pytorch", "job_namespace": OTHER}
    assert of.value("training_operator_jobs_created_total", labels) == 100


def test_gauges_follow_the_jobs_of_both_groups() -> None:
    registry = CollectorRegistry()
    metrics = JobMetrics(registry)
    for _ in range(2):
        metrics.tracker("PyTorchJob", "pytorch")
    created, running = view(("Created", "True")), view(("Running", "True"))
    failed = view(("Running", "False"), ("Failed", "True"))
    suspended = view(("Created", "True"), ("Suspended", "True"))

    def gauges() -> tuple[float | None, float | None]:
        value = registry.get_sample_value
        return value("kubedl_jobs_pending", KIND), value("kubedl_jobs_running", KIND)

    metrics.counts.leading = True
    assert gauges() == (0, 0)
    for job in (created, created, running, failed, suspended):
        metrics.follow("PyTorchJob", Event(EventType.ADDED, None, job))
    assert gauges() == (2, 1)
    metrics.follow("PyTorchJob", Event(EventType.MODIFIED, created, running))
    assert gauges() == (1, 2)
    metrics.follow("PyTorchJob", Event(EventType.MODIFIED, running, failed))
    metrics.follow("PyTorchJob", Event(EventType.DELETED, created, None))
    assert gauges() == (0, 1)
    assert registry.get_sample_value("kubedl_jobs_deleted", KIND) == 1
    metrics.follow("PyTorchJob", Event(EventType.MODIFIED, failed, view(("Created", "True"), uid="next")))
    assert registry.get_sample_value("kubedl_jobs_deleted", KIND) == 2, "another job of that name has come"


async def test_only_who_leads_shows_gauges_and_counts_what_is_deleted() -> None:
    registry = CollectorRegistry()
    metrics = JobMetrics(registry)
    metrics.tracker("PyTorchJob", "pytorch")
    running = view(("Running", "True"))
    for event in (Event(EventType.ADDED, None, running), Event(EventType.DELETED, running, None)):
        metrics.follow("PyTorchJob", event)
    metrics.follow("PyTorchJob", Event(EventType.ADDED, None, running))
    assert registry.get_sample_value("kubedl_jobs_running", KIND) is None
    await metrics.lead()
    assert registry.get_sample_value("kubedl_jobs_running", KIND) == 1
    assert registry.get_sample_value("kubedl_jobs_deleted", KIND) == 0


def test_a_kind_is_shown_at_zero_from_the_start() -> None:
    registry = CollectorRegistry()
    JobMetrics(registry).tracker("XGBoostJob", "xgboost")
    for name in Transition:
        assert registry.get_sample_value(f"kubedl_jobs_{name}", {"kind": "xgboostjob"}) == 0
    assert registry.get_sample_value("kdl_jobs_queue_seconds_count", {"kind": "xgboostjob"}) == 0
