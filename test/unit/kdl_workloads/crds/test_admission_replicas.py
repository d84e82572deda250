"""What the API server accepts and refuses of a replica's claims, groups and order, in both API groups."""

from typing import Any

import pytest

from unit.kdl_workloads.crds.test_admission import KUBEDL_XGB, KUBEFLOW_TORCH, job, problems, roles

CLAIM = {"metadata": {"name": "data"}, "spec": {"resources": {"requests": {"storage": "1Gi"}}}}
GROUP = {"name": "big", "replicas": 1}


@pytest.mark.parametrize("which", [KUBEDL_XGB, KUBEFLOW_TORCH], ids=["kubedl", "kubeflow"])
@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"volumeClaimTemplates": [CLAIM]}, ""),
        ({"volumeClaimTemplates": [CLAIM], "persistentVolumeClaimRetentionPolicy": {"whenFinished": "Delete"}}, ""),
        ({"volumeClaimTemplates": [CLAIM, CLAIM]}, "volumeClaimTemplates has two templates of the same name"),
        ({"volumeClaimTemplates": [{"spec": {}}]}, "volumeClaimTemplates[0].metadata: Required value"),
        ({"volumeClaimTemplates": [{"metadata": {}, "spec": {}}]}, "metadata.name: Required value"),
        ({"volumeClaimTemplates": [{"metadata": {"name": "D"}, "spec": {}}]}, "metadata.name: Invalid value"),
        ({"volumeClaimTemplates": [{**CLAIM, "spec": {"size": 1}}]}, 'volumeClaimTemplates[0].spec.size"'),
        ({"volumeClaimTemplates": [CLAIM] * 9}, "volumeClaimTemplates: Too many"),
        ({"persistentVolumeClaimRetentionPolicy": {}}, "persistentVolumeClaimRetentionPolicy needs"),
        (
            {"volumeClaimTemplates": [CLAIM], "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Keep"}},
            "whenDeleted: Unsupported value",
        ),
        ({"groups": [GROUP]}, ""),
        ({"groups": [{**GROUP, "template": {"spec": {"nodeSelector": {"gpu": "h100"}, "anything": 1}}}]}, ""),
        ({"groups": [{**GROUP, "template": "x"}]}, "groups[0].template: Invalid value"),
        ({"groups": [GROUP, GROUP]}, "groups has two groups of the same name"),
        ({"groups": [{"name": "big"}]}, "groups[0].replicas: Required value"),
        ({"groups": [{**GROUP, "name": "Big"}]}, "groups[0].name: Invalid value"),
        ({"groups": [{**GROUP, "replicas": 3}]}, "replicas must not be less than the replicas of its groups"),
        ({"groups": [{**GROUP, "replicas": 9}], "replicas": None}, ""),
        ({"dependsOn": [{"upstream": "Master", "onPhase": "Ready"}]}, ""),
        ({"dependsOn": [{"upstream": "Master", "onPhase": "Done"}]}, "onPhase: Unsupported value"),
    ],
)
def test_a_replica_spec(which: tuple[str, str], fields: dict[str, Any], message: str) -> None:
    obj = job(which)
    worker = roles(obj)["Worker"]
    worker |= fields
    if worker["replicas"] is None:
        del worker["replicas"]
    found = "\n".join(problems(obj))
    assert message in found if message else found == ""
