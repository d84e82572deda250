"""Reading a role's claims, groups and order."""

from collections.abc import Callable
from typing import Any

import pytest

from kdl_workloads.dialects.base import Dialect, SpecError
from kdl_workloads.dialects.kubedl import KubeDL
from kdl_workloads.dialects.kubeflow import Kubeflow
from kdl_workloads.framework import Framework
from kdl_workloads.frameworks.pytorch import PyTorch
from kdl_workloads.frameworks.xgboost import XGBoost
from kdl_workloads.job import ClaimRetention, ReplicaSpec

Objects = Callable[..., dict[str, Any]]
DATA = {"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}
PATH = r"spec\.xgbReplicaSpecs\.Worker\."


@pytest.fixture(params=["kubedl", "kubeflow"])
def worker(request: pytest.FixtureRequest) -> Callable[..., ReplicaSpec]:
    """The Worker's replica spec with further fields, read in each dialect; ``replicas=None`` takes it away."""
    kubedl = request.param == "kubedl"
    dialect: Dialect = KubeDL() if kubedl else Kubeflow()
    framework: Framework = XGBoost() if kubedl else PyTorch()
    build: Objects = request.getfixturevalue("kubedl_xgboost" if kubedl else "kubeflow_pytorch")

    def read(**fields: Any) -> ReplicaSpec:
        obj = build()
        obj["spec"][framework.replica_specs_field]["Worker"] |= fields
        return dialect.decode(obj, framework).roles["Worker"]

    return read


def test_a_role_without_them(worker: Callable[..., ReplicaSpec]) -> None:
    spec = worker()
    assert (spec.claims, spec.claim_retention, spec.groups) == ((), ClaimRetention(), ())
    assert spec.group_of(0) is None


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (None, ClaimRetention()),
        ({}, ClaimRetention()),
        ({"whenFinished": "Delete"}, ClaimRetention(delete_when_finished=True)),
        ({"whenDeleted": "Delete", "whenFinished": "Retain"}, ClaimRetention(delete_when_deleted=True)),
    ],
)
def test_claims(worker: Callable[..., ReplicaSpec], policy: Any, expected: ClaimRetention) -> None:
    spec = worker(volumeClaimTemplates=[DATA], persistentVolumeClaimRetentionPolicy=policy)
    assert (spec.claims, spec.claim_retention) == ((DATA,), expected)


def test_groups_in_their_order(worker: Callable[..., ReplicaSpec]) -> None:
    big = {"spec": {"nodeSelector": {"gpu": "h100"}}}
    spec = worker(replicas=4, groups=[{"name": "big", "replicas": 1, "template": big}, {"name": "mid", "replicas": 2}])
    names = [found.name if (found := spec.group_of(index)) else "" for index in range(4)]
    assert names == ["big", "mid", "mid", ""]
    first, second = spec.groups
    assert first.template["spec"]["nodeSelector"] == {"gpu": "h100"}
    assert first.template["spec"]["containers"] == spec.template["spec"]["containers"]
    assert first.template["metadata"]["labels"] == {"kdl.io/replica-group": "big"}
    assert second.template["spec"] == spec.template["spec"]
    assert "metadata" not in spec.template


@pytest.mark.parametrize(("replicas", "expected"), [(None, 5), (5, 5), (9, 9)])
def test_replicas_of_groups(worker: Callable[..., ReplicaSpec], replicas: int | None, expected: int) -> None:
    groups = [{"name": "a", "replicas": 2}, {"name": "b", "replicas": 3}]
    assert worker(replicas=replicas, groups=groups).replicas == expected


def test_a_container_that_a_group_adds_tells_of_its_failure_too(worker: Callable[..., ReplicaSpec]) -> None:
    extra = {"spec": {"containers": [{"name": "more", "image": "more:1"}]}}
    (found,) = worker(groups=[{"name": "a", "replicas": 1, "template": extra}]).groups
    assert [item.get("terminationMessagePolicy") for item in found.template["spec"]["containers"]] == [
        "FallbackToLogsOnError",
        "FallbackToLogsOnError",
    ]


def group(**fields: Any) -> dict[str, Any]:
    return {"groups": [{"name": "a", "replicas": 1, **fields}]}


PORT = {"name": "xgboostjob", "ports": [{"name": "xgboostjob-port", "containerPort": 9999}]}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"volumeClaimTemplates": "data"}, r"volumeClaimTemplates: is 'data' and must be a list"),
        ({"volumeClaimTemplates": ["data"]}, r"volumeClaimTemplates\[0\]: is 'data' and must be an object"),
        ({"volumeClaimTemplates": [{"spec": {}}]}, r"volumeClaimTemplates\[0\]\.metadata\.name: is None"),
        ({"volumeClaimTemplates": [{"metadata": {"name": "Data"}}]}, r"\[0\]\.metadata\.name: is 'Data' and must be"),
        ({"volumeClaimTemplates": [DATA, DATA]}, r"\[1\]\.metadata\.name: is 'data', which is another template's"),
        ({"persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Keep"}}, r"whenDeleted: is 'Keep' and must be"),
        ({"groups": {}}, r"groups: is \{\} and must be a list"),
        ({"groups": ["a"]}, r"groups\[0\]: is 'a' and must be an object"),
        (group(name=""), r"groups\[0\]\.name: is required"),
        (group(replicas=None), r"groups\[0\]\.replicas: is required"),
        (group(replicas=-1), r"groups\[0\]\.replicas: is -1"),
        (group(replicas=3), r"replicas: is 2 and must be 3 or more"),
        ({"groups": group()["groups"] * 2}, r"groups\[1\]\.name: is 'a', which is another group's"),
        (group(template="x"), r"groups\[0\]\.template: is 'x' and must be an object"),
        (group(template={"spec": {"containers": [{}]}}), r"groups\[0\]\.template: spec\.containers\[0\] needs .* name"),
        (group(template={"spec": {"containers": None}}), r"groups\[0\]\.template: must leave the port xgboostjob-port"),
        (group(template={"spec": {"containers": [{"name": "b"}]}}), r"\.template\.spec\.containers\[1\]\.image"),
        (group(template={"spec": {"containers": [{**PORT, "ports": None}]}}), r"must leave the port xgboostjob-port"),
        ({"dependsOn": [{"upstream": "Master", "onPhase": "Done"}]}, r"must be one of Running, Ready, Succeeded"),
    ],
)
def test_refused(kubedl_xgboost: Objects, fields: dict[str, Any], message: str) -> None:
    obj = kubedl_xgboost()
    obj["spec"]["xgbReplicaSpecs"]["Worker"] |= fields
    with pytest.raises(SpecError, match=rf"(?s){PATH}.*{message}"):
        KubeDL().decode(obj, XGBoost())
