"""The sentence that tells of a root cause, and where it stands."""

from dataclasses import replace

import pytest

from kdl_runtime.codec.times import format_time
from kdl_workloads.dialects.base import Text
from kdl_workloads.engine.cause import MAX_LINE, in_words, with_cause
from kdl_workloads.engine.pod import Pod
from kdl_workloads.job import ConditionType, Failure, RestartPolicy, RunPolicy
from unit.kdl_workloads.engine.world import START, WORKER, World, after, make_job, make_pod

OOM = Failure(
    pod="job-worker-1",
    role=WORKER,
    index=1,
    time=START,
    node="node-1",
    container="pytorch",
    exit_code=137,
    signal=9,
    reason="OOMKilled",
    message="Traceback\n  line\nMemoryError: no more \n",
)


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (OOM,
         "pod job-worker-1 on node-1, container pytorch, exit code 137 (signal 9), OOMKilled: MemoryError: no more"),
        (replace(OOM, signal=None, exit_code=1, reason="Error", message=""),
         "pod job-worker-1 on node-1, container pytorch, exit code 1, Error"),
        (Failure("a", WORKER, 0, START, reason="Evicted", message="low on memory"), "pod a, Evicted: low on memory"),
        (Failure("a", WORKER, 0, START), "pod a"),
        (Failure("a", WORKER, 0, START, exit_code=0), "pod a, exit code 0"),
        (Failure("a", WORKER, 0, START, message="x" * 999), f"pod a: {'x' * MAX_LINE}"),
    ],
)  # fmt: skip
def test_in_words(failure: Failure, expected: str) -> None:
    assert in_words(failure) == f"First failure: {expected}"


def test_without_a_failure_the_text_is_as_it_was() -> None:
    text = Text("JobFailed", "It failed.")
    assert with_cause(text, None) is text
    assert with_cause(text, OOM) == Text("JobFailed", f"It failed. {in_words(OOM)}")


@pytest.mark.parametrize(
    ("policy", "limit", "words"),
    [
        (RestartPolicy.NEVER, None, "PyTorchJob job is failed because 1 Worker replica(s) failed."),
        (RestartPolicy.ON_FAILURE, 0, "Job job has failed because it has reached the specified backoff limit"),
    ],
)
def test_the_condition_and_its_event_name_the_cause(policy: RestartPolicy, limit: int | None, words: str) -> None:
    run_policy = RunPolicy(backoff_limit=limit)
    world = World(make_job(policy=policy, run_policy=run_policy))
    world.step()
    world.run()
    world.end("job-worker-1", 1)
    world.step()
    failed = world.job.status.condition(ConditionType.FAILED)
    assert failed is not None
    cause = "First failure: pod job-worker-1 on node-1, container pytorch, exit code 1, Error"
    assert failed.message.startswith(words)
    assert failed.message.endswith(cause)
    assert world.notes[-1].message == failed.message


def test_a_deadline_is_its_own_cause() -> None:
    world = World(make_job(run_policy=RunPolicy(active_deadline_seconds=0)))
    world.step()
    failed = world.job.status.condition(ConditionType.FAILED)
    assert failed is not None
    assert "First failure" not in failed.message


def restarted(name: str, exit_code: int, times: int) -> Pod:
    """A pod whose kubelet has started the container again."""
    last = {"terminated": {"exitCode": exit_code, "finishedAt": format_time(after(5)), "reason": "Error"}}
    status = {"name": "pytorch", "restartCount": times, "state": {"running": {}}, "lastState": last}
    return make_pod(name, uid=f"{name}-1", containers=[status])


def test_restarts_by_the_kubelet_that_use_up_the_limit_are_explained() -> None:
    world = World(make_job(run_policy=RunPolicy(backoff_limit=1)))
    world.step()
    world.run()
    world.pods["job-worker-1"] = restarted("job-worker-1", 3, times=2)
    world.step()
    end = world.job.status.conditions[-1]
    assert end.type is ConditionType.FAILED
    assert "First failure: pod job-worker-1 on node-1, container pytorch, exit code 3, Error" in end.message


def test_a_restart_after_a_success_is_no_failure() -> None:
    world = World(make_job(policy=RestartPolicy.ALWAYS))
    world.step()
    world.run()
    world.pods["job-worker-1"] = restarted("job-worker-1", 0, times=1)
    world.step()
    assert world.job.status.first_failure is None


def test_an_end_without_an_exit_code_gives_way_to_the_first_that_has_one() -> None:
    world = World(make_job(policy=RestartPolicy.EXIT_CODE, run_policy=RunPolicy(backoff_limit=1)))
    world.step()
    world.run()
    evicted = {"DisruptionTarget": ("True", "DeletionByTaintManager")}
    world.pods["job-worker-0"] = make_pod("job-worker-0", "Failed", uid="job-worker-0-1", conditions=evicted)
    world.step()
    assert world.job.status.first_failure is not None
    assert world.job.status.first_failure.reason == "DeletionByTaintManager"
    world.end("job-worker-1", 137)
    world.step()
    failure = world.job.status.first_failure
    assert failure is not None and (failure.pod, failure.exit_code) == ("job-worker-1", 137)


def test_of_two_ends_that_are_seen_together_the_one_with_an_exit_code_explains() -> None:
    world = World(make_job(policy=RestartPolicy.EXIT_CODE))
    world.step()
    world.run()
    evicted = {"DisruptionTarget": ("True", "DeletionByTaintManager")}
    world.pods["job-worker-0"] = make_pod("job-worker-0", "Failed", uid="job-worker-0-1", conditions=evicted)
    world.end("job-worker-1", 137)
    world.step()
    failure = world.job.status.first_failure
    assert failure is not None and failure.pod == "job-worker-1"


def test_restarts_that_are_seen_only_after_a_delete_are_explained() -> None:
    """How the pod ends now is the delete's doing, and is not told."""
    world = World(make_job(run_policy=RunPolicy(backoff_limit=1)))
    world.step()
    world.run()
    before = {"terminated": {"exitCode": 3, "finishedAt": format_time(after(5)), "reason": "Error"}}
    now = {"terminated": {"exitCode": 143, "finishedAt": format_time(after(20)), "reason": "Error"}}
    status = {"name": "pytorch", "restartCount": 2, "state": now, "lastState": before}
    deleted = {"deleted": after(10), "grace": 30}
    world.pods["job-worker-1"] = make_pod(
        "job-worker-1", "Failed", uid="job-worker-1-1", containers=[status], **deleted
    )
    world.step()
    failure = world.job.status.first_failure
    assert failure is not None and (failure.pod, failure.exit_code) == ("job-worker-1", 3)
    assert world.job.status.has(ConditionType.FAILED)
