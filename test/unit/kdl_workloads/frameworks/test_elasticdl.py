"""ElasticDLJob: one Master with a name of its own, whatever its container is called."""

from collections.abc import Callable
from typing import Any

import pytest

from kdl_workloads.dialects.base import SpecError
from kdl_workloads.dialects.kubedl import KubeDL
from kdl_workloads.framework import KUBEDL, RoleState, Verdict
from kdl_workloads.frameworks.elasticdl import ElasticDL
from kdl_workloads.job import CleanPodPolicy, ConditionType, Job, RestartPolicy

Jobs = Callable[..., Job]
PLUGIN = ElasticDL()


def manifest(name: str = "mnist", container: str = "elasticdl-mnist-master", **master: Any) -> dict[str, Any]:
    replica = {"template": {"spec": {"containers": [{"name": container, "image": "elasticdl:test"}]}}, **master}
    return {
        "apiVersion": KUBEDL,
        "kind": "ElasticDLJob",
        "metadata": {"name": name, "namespace": "team"},
        "spec": {"elasticdlReplicaSpecs": {"Master": replica}},
    }


def test_defaults() -> None:
    job = KubeDL().decode(manifest(), PLUGIN)
    master = job.roles["Master"]
    assert (master.replicas, master.restart_policy) == (1, RestartPolicy.NEVER)
    assert job.run_policy.clean_pod_policy is CleanPodPolicy.NONE
    assert "ports" not in master.template["spec"]["containers"][0]
    assert not PLUGIN.has_service(job, "Master")
    assert PLUGIN.is_master(job, "Master", 0)
    assert PLUGIN.child_name(job, "Master", 0) == "elasticdl-mnist-master"


@pytest.mark.parametrize(("length", "accepted"), [(63 - len("elasticdl--master"), True), (47, False)])
def test_the_name_has_to_leave_room_for_the_pods(length: int, accepted: bool) -> None:
    if accepted:
        assert KubeDL().decode(manifest("a" * length), PLUGIN).name
        return
    with pytest.raises(SpecError, match=r"its pod elasticdl-a+-master would have 64 characters"):
        KubeDL().decode(manifest("a" * length), PLUGIN)


def test_there_is_one_master() -> None:
    with pytest.raises(SpecError, match=r"elasticdlReplicaSpecs\.Master\.replicas: is 2 and must be 1"):
        KubeDL().decode(manifest(replicas=2), PLUGIN)


@pytest.mark.parametrize(
    ("master", "verdict"),
    [
        (RoleState(1), Verdict()),
        (RoleState(1, active=1), Verdict(ConditionType.RUNNING)),
        (RoleState(1, succeeded_indexes=frozenset({0})), Verdict(ConditionType.SUCCEEDED)),
        (RoleState(1, failed=1), Verdict(ConditionType.FAILED, "Master", 1)),
        (RoleState(1, restarting=1), Verdict(ConditionType.RESTARTING, "Master", 1)),
    ],
)
def test_status(decoded: Jobs, master: RoleState, verdict: Verdict) -> None:
    assert PLUGIN.evaluate(decoded(PLUGIN, KUBEDL, {"Master": 1}), {"Master": master}) == verdict
