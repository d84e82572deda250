"""A job from its creation to its end, and what is left of it, in both API groups."""

from datetime import datetime

import pytest

from e2e.manifests import DIALECTS, JAX, KINDS, XGBOOST, Kind, Replicas, job, master_and_workers, run_policy_patch
from e2e.namespace import Namespace
from e2e.pod_history import exit_codes, restarts
from e2e.programs import ONE_SECOND, UNTIL_TOLD, Program
from e2e.waiting import gone, until
from kdl_runtime.codec.times import parse_time

BY_DIALECT = pytest.mark.parametrize("kind", DIALECTS, ids=str)


def parsed(text: str) -> datetime:
    found = parse_time(text)
    assert found is not None
    return found


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_succeeds(namespace: Namespace, kind: Kind) -> None:
    """The replica that comes first ends last, so that the others have been counted when the job succeeds."""
    first = "quick-worker-0" if kind == JAX else "quick-master-0"
    running = namespace.submit(job(kind, "quick", master_and_workers(kind, 2, UNTIL_TOLD)))
    names = until("three pods", namespace.pod_names, lambda found: len(found) == 3)
    for name in sorted(names, key=lambda name: name == first):
        namespace.until_pod(name)
        namespace.end(name)
        namespace.until_pod(name, "Succeeded")
    running.until("Succeeded")
    pods = namespace.pods()
    assert all(restarts(pod) == 0 and exit_codes(pod) == [0] for pod in pods)
    assert len(namespace.history.all()) == 3, "no pod was made twice"
    until("pods without finalizers", lambda: [pod["metadata"].get("finalizers") for pod in namespace.pods()], no_values)
    gone("the services of replicas", namespace.services)
    status = running.status()
    assert status["completionTime"] >= status["startTime"]
    assert sum(role["succeeded"] for role in status["replicaStatuses"].values()) == 3


def no_values(found: list[object]) -> bool:
    return not any(found)


@BY_DIALECT
def test_events_are_told_once(namespace: Namespace, kind: Kind) -> None:
    running = namespace.submit(job(kind, "told", {"Master": Replicas(program=ONE_SECOND)}))
    running.until("Succeeded")
    succeeded = running.conditions()["Succeeded"]["reason"]
    running.until_reasons("SuccessfulCreatePod", succeeded)


@BY_DIALECT
def test_runs_out_of_time(namespace: Namespace, kind: Kind) -> None:
    roles = master_and_workers(kind, 1, UNTIL_TOLD)
    running = namespace.submit(job(kind, "slow", roles, activeDeadlineSeconds=4, cleanPodPolicy="Running"))
    failed = running.until("Failed")
    assert "longer than specified deadline" in failed["message"]
    started = parsed(running.status()["startTime"])
    assert 4 <= (parsed(running.status()["completionTime"]) - started).total_seconds() < 15
    gone("the pods that ran", running.pods)


@BY_DIALECT
def test_fails_at_the_backoff_limit(namespace: Namespace, kind: Kind) -> None:
    failing = Replicas(program=Program(seconds=0, code=137), restart_policy="ExitCode")
    running = namespace.submit(job(kind, "failing", {"Master": failing}, backoffLimit=1))
    failed = running.until("Failed")
    assert "backoff limit" in failed["message"]
    assert running.status()["firstFailure"]["exitCode"] == 137
    assert len(namespace.history.uids("failing-master-0")) == 2, "one retry"


@BY_DIALECT
def test_goes_after_its_time_to_live(namespace: Namespace, kind: Kind) -> None:
    roles = {"Master": Replicas(program=ONE_SECOND)}
    running = namespace.submit(job(kind, "short-lived", roles, ttlSecondsAfterFinished=3))
    running.until("Succeeded")
    running.until_gone()
    gone("the pods of the job", running.pods)


@pytest.mark.parametrize(("policy", "left"), [("None", 3), ("Running", 1), ("All", 0)])
@BY_DIALECT
def test_clean_pod_policy(namespace: Namespace, kind: Kind, policy: str, left: int) -> None:
    roles = {"Master": Replicas(program=ONE_SECOND), "Worker": Replicas(2, UNTIL_TOLD)}
    running = namespace.submit(job(kind, f"clean-{policy.lower()}", roles, cleanPodPolicy=policy))
    running.until("Succeeded")
    pods = until("the end of the clean-up", running.pods, lambda found: len(found) == left)
    assert all(pod["metadata"].get("deletionTimestamp") is None for pod in pods)


@BY_DIALECT
def test_suspend_and_resume(namespace: Namespace, kind: Kind) -> None:
    running = namespace.submit(job(kind, "paused", master_and_workers(kind, 1, UNTIL_TOLD)))
    for name in ("paused-master-0", "paused-worker-0"):
        namespace.until_pod(name)
    running.until("Running")
    running.patch(run_policy_patch(kind, suspend=True))
    running.until("Suspended")
    gone("the pods", running.pods)
    assert running.conditions()["Running"]["status"] == "False"
    running.patch(run_policy_patch(kind, suspend=False))
    for name in ("paused-master-0", "paused-worker-0"):
        namespace.until_pod(name)
        namespace.end(name)
    running.until("Succeeded")
    assert running.conditions()["Suspended"]["status"] == "False"
    assert len(namespace.history.uids("paused-master-0")) == 2
    assert not any(role.get("restarts") for role in running.status()["replicaStatuses"].values())


@BY_DIALECT
def test_begins_suspended(namespace: Namespace, kind: Kind) -> None:
    running = namespace.submit(job(kind, "later", {"Master": Replicas(program=ONE_SECOND)}, suspend=True))
    running.until("Suspended")
    assert namespace.history.all() == []
    running.patch(run_policy_patch(kind, suspend=False))
    running.until("Succeeded")


@BY_DIALECT
def test_deletion_leaves_nothing(namespace: Namespace, kind: Kind) -> None:
    running = namespace.submit(job(kind, "unwanted", master_and_workers(kind, 2, UNTIL_TOLD)))
    for name in ("unwanted-master-0", "unwanted-worker-0", "unwanted-worker-1"):
        namespace.until_pod(name)
    running.delete()
    running.until_gone()
    gone("the pods", namespace.pods)
    gone("the services", namespace.services)
    assert len(namespace.history.all()) == 3


def test_both_groups_share_a_cluster(namespace: Namespace) -> None:
    """Jobs of the same kind and name in both groups would want the same pods: the second one says so and waits."""
    first, second = DIALECTS
    one = namespace.submit(job(first, "twin", {"Master": Replicas(program=UNTIL_TOLD)}))
    namespace.until_pod("twin-master-0")
    other = namespace.submit(job(second, "twin", {"Master": Replicas(program=ONE_SECOND)}))
    until("the conflict", other.reasons, lambda found: "NameConflict" in found)
    told = f"belongs to {first.name} twin of {first.api_version}"
    until("the message", other.conditions, lambda found: "Created" in found and told in found["Created"]["message"])
    assert [one.owns(pod) for pod in namespace.pods()] == [True]
    one.delete()
    other.until("Succeeded", seconds=120)


def test_a_template_that_no_pod_can_have(namespace: Namespace) -> None:
    """What the schema lets pass and the API server refuses ends the job, and says what is wrong."""
    bad = Replicas(program=ONE_SECOND, pod={"hostAliases": [{"ip": "somewhere", "hostnames": ["here"]}]})
    running = namespace.submit(job(XGBOOST, "bad", {"Master": bad}))
    failed = running.until("Failed")
    assert failed["reason"].endswith("FailedValidation")
    assert "hostAliases" in failed["message"]
    assert namespace.history.all() == []


def test_a_pod_that_is_not_allowed_yet(namespace: Namespace) -> None:
    """A quota refuses the pods until it is raised; the job waits, and says for what."""
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "pods"}, "spec": {"hard": {"pods": "0"}}}
    namespace.cluster.kubectl("apply", f"--namespace={namespace.name}", "-f", "-", stdin=quota)
    until(
        "the quota",
        lambda: namespace.kubectl("get", "resourcequota", "pods", "-o", "jsonpath={.status.hard.pods}"),
        lambda found: found == "0",
    )
    running = namespace.submit(job(XGBOOST, "waiting", {"Master": Replicas(program=ONE_SECOND)}))
    until("the refusal", running.reasons, lambda found: "FailedCreatePod" in found)
    until("the message", running.conditions, lambda found: "quota" in found["Created"]["message"])
    namespace.kubectl("delete", "resourcequota", "pods")
    running.until("Succeeded", seconds=120)
