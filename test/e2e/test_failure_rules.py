"""What users say about failures: rules in their order, restarts of the whole job, and ends of the peers."""

from collections.abc import Sequence

import pytest

from e2e.manifests import DIALECTS, XGBOOST, XGBOOST_KUBEFLOW, Kind, Object, Replicas, job
from e2e.namespace import Namespace
from e2e.programs import UNTIL_TOLD, Program, out_of_memory
from e2e.running_job import RunningJob
from e2e.waiting import until

BY_DIALECT = pytest.mark.parametrize("kind", DIALECTS, ids=str)
EXIT_42: Object = {"onExitCodes": {"operator": "In", "values": [42]}}
MASTER, WORKER = "told-master-0", "told-worker-0"


def submitted(namespace: Namespace, kind: Kind, rules: Sequence[Object], **policy: object) -> RunningJob:
    """A Master and a Worker that run until they are told to end; without a rule no failure of theirs is forgiven."""
    roles = {"Master": Replicas(program=UNTIL_TOLD), "Worker": Replicas(program=UNTIL_TOLD)}
    policy = {**policy, **({"failureRules": list(rules)} if rules else {})}
    running = namespace.submit(job(kind, "told", roles, **policy))
    for name in (MASTER, WORKER):
        namespace.until_pod(name)
    running.until("Running")
    return running


def next_pod(namespace: Namespace, name: str, number: int = 2) -> None:
    until(f"pod {number} of {name}", lambda: namespace.history.uids(name), lambda uids: len(uids) == number)
    namespace.until_pod(name)


def ended_well(namespace: Namespace, running: RunningJob) -> None:
    for name in (WORKER, MASTER):
        namespace.end(name)
    running.until("Succeeded")


@BY_DIALECT
def test_the_first_rule_that_holds_decides(namespace: Namespace, kind: Kind) -> None:
    """Exit code 42 is worth another pod, and is not charged; every other one ends the job at once."""
    rules: list[Object] = [{"action": "Ignore", **EXIT_42}, {"action": "FailJob", "roles": ["Worker"]}]
    running = submitted(namespace, kind, rules, backoffLimit=0)
    namespace.end(WORKER, 42)
    next_pod(namespace, WORKER)
    assert not running.status().get("attempts")
    namespace.end(WORKER, 41)
    running.until("Failed")
    assert len(namespace.history.uids(WORKER)) == 2
    assert len(namespace.history.uids(MASTER)) == 1


@pytest.mark.real_pods
def test_a_rule_for_a_signal(namespace: Namespace) -> None:
    """A program that is killed gets another pod, also with restart policy Never, and is charged."""
    running = submitted(namespace, XGBOOST, [{"action": "Restart", "onSignals": [9]}], backoffLimit=1)
    namespace.end(WORKER, 137)
    next_pod(namespace, WORKER)
    ended_well(namespace, running)
    assert running.status()["attempts"] == 1
    assert running.status()["firstFailure"]["signal"] == 9


@pytest.mark.real_pods
def test_a_rule_for_what_the_program_has_said(namespace: Namespace) -> None:
    rules: list[Object] = [{"action": "Ignore", "onMessage": "worker-0 ends with 7"}]
    running = submitted(namespace, XGBOOST_KUBEFLOW, rules, backoffLimit=0)
    namespace.end(WORKER, 7)
    next_pod(namespace, WORKER)
    ended_well(namespace, running)
    assert "ends with 7" in running.status()["firstFailure"]["message"]


@pytest.mark.real_pods
def test_a_rule_for_a_lack_of_memory(namespace: Namespace) -> None:
    """Another try would end as the first: the job fails although its restart policy would allow it."""
    rules: list[Object] = [{"action": "FailJob", "onReasons": ["OOMKilled"]}]
    roles = {"Master": Replicas(restart_policy="OnFailure", pod=out_of_memory(XGBOOST.container))}
    running = namespace.submit(job(XGBOOST, "hungry", roles, failureRules=rules))
    message = running.until("Failed")["message"]
    assert running.status()["firstFailure"]["reason"] == "OOMKilled"
    assert "OOMKilled" in message
    assert len(namespace.history.all()) == 1


@BY_DIALECT
def test_a_rule_starts_the_whole_job_again(namespace: Namespace, kind: Kind) -> None:
    running = submitted(namespace, kind, [{"action": "RestartJob", **EXIT_42}], backoffLimit=1)
    namespace.end(WORKER, 42)
    for name in (MASTER, WORKER):
        next_pod(namespace, name)
    running.until("Running")
    assert running.status()["jobRestarts"] == 1
    ended_well(namespace, running)
    assert [len(namespace.history.uids(name)) for name in (MASTER, WORKER)] == [2, 2]


def test_a_job_that_starts_again_as_a_whole(namespace: Namespace) -> None:
    """By its scope, and no more often than its back-off limit allows."""
    roles = {role: Replicas(program=UNTIL_TOLD, restart_policy="OnFailure") for role in ("Master", "Worker")}
    running = namespace.submit(job(XGBOOST_KUBEFLOW, "told", roles, restartScope="Job", backoffLimit=1))
    for name in (MASTER, WORKER):
        namespace.until_pod(name)
    namespace.end(MASTER, 1)
    for name in (MASTER, WORKER):
        next_pod(namespace, name)
    namespace.end(MASTER, 1)
    running.until("Failed")
    assert [len(namespace.history.uids(name)) for name in (MASTER, WORKER)] == [2, 2]


@pytest.mark.real_pods
def test_peers_of_a_failed_job_end_and_keep_their_logs(namespace: Namespace) -> None:
    running = submitted(namespace, XGBOOST, [], stopOnFailure=True)
    namespace.end(MASTER, 3)
    running.until("Failed")
    until("the end of its peer", lambda: namespace.pod(WORKER)["status"]["phase"], lambda phase: phase == "Failed")
    assert f"{WORKER} begins" in namespace.kubectl("logs", WORKER)
    assert running.status()["firstFailure"]["pod"] == MASTER


@pytest.mark.real_pods
def test_an_end_that_no_rule_is_for_is_judged_by_the_restart_policy(namespace: Namespace) -> None:
    roles = {"Master": Replicas(program=Program(seconds=0, code=2), restart_policy="ExitCode")}
    running = namespace.submit(job(XGBOOST, "told", roles, failureRules=[{"action": "Restart", **EXIT_42}]))
    running.until("Failed")
    assert len(namespace.history.uids(MASTER)) == 1
