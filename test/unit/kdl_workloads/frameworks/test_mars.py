"""MarsJob: defaults, order, volumes of workers, Ingresses of web services, and status rules."""

from collections.abc import Callable
from typing import Any

import pytest

from kdl_workloads.dialects.registry import dialect_for
from kdl_workloads.framework import KUBEDL, Phase, RoleState, Verdict
from kdl_workloads.frameworks.mars import Mars
from kdl_workloads.job import CleanPodPolicy, ConditionType, Job, RestartPolicy

Jobs = Callable[..., Job]
PLUGIN = Mars()
ROLES = {"Scheduler": 1, "WebService": 2, "Worker": 2}


def test_defaults(decoded: Jobs) -> None:
    job = decoded(PLUGIN, KUBEDL, ROLES)
    assert {role: spec.restart_policy for role, spec in job.roles.items()} == {
        "Scheduler": RestartPolicy.NEVER,
        "WebService": RestartPolicy.ALWAYS,
        "Worker": RestartPolicy.EXIT_CODE,
    }
    assert job.run_policy.clean_pod_policy is CleanPodPolicy.NONE
    assert {role: dict(PLUGIN.waits_for(job, role)) for role in job.roles} == {
        "Scheduler": {},
        "WebService": {"Scheduler": Phase.RUNNING},
        "Worker": {"Scheduler": Phase.RUNNING},
    }
    assert all(PLUGIN.has_service(job, role) and not PLUGIN.is_master(job, role, 0) for role in job.roles)


Policy = dict[str, Any]


def volumes_of(decoded: Jobs, role: str, policy: Policy, **container: Any) -> tuple[list[Any], list[Any]]:
    """Volumes of the pod, and mounts of its container."""
    job = decoded(PLUGIN, KUBEDL, ROLES, container=container, **policy)
    spec = PLUGIN.pod_template(job, role, 0)["spec"]
    return spec.get("volumes", []), spec["containers"][0].get("volumeMounts", [])


SPILL = {"spillDirs": ["/a", "/b"]}


@pytest.mark.parametrize("name", ["workerMemoryTuningPolicy", "memoryTuningPolicy"])
def test_spill_directories_share_the_storage(decoded: Jobs, name: str) -> None:
    resources = {"requests": {"ephemeral-storage": "4Gi"}}
    assert volumes_of(decoded, "Worker", {name: SPILL}, resources=resources) == (
        [
            {"name": "mars-empty-dir-0", "emptyDir": {"sizeLimit": "2147483648"}},
            {"name": "mars-empty-dir-1", "emptyDir": {"sizeLimit": "2147483648"}},
        ],
        [{"name": "mars-empty-dir-0", "mountPath": "/a"}, {"name": "mars-empty-dir-1", "mountPath": "/b"}],
    )


def test_spill_directories_without_a_limit(decoded: Jobs) -> None:
    volumes, _ = volumes_of(decoded, "Worker", {"workerMemoryTuningPolicy": SPILL})
    assert [volume["emptyDir"] for volume in volumes] == [{}, {}]


@pytest.mark.parametrize(
    ("policy", "size", "path"),
    [
        ({"workerCacheSize": "1Gi"}, 2**30, "/dev/shm"),
        ({"workerCacheSize": "1Gi", "workerCachePercentage": 10}, 2**30, "/dev/shm"),
        ({"workerCachePercentage": 25}, 2**30, "/dev/shm"),
        ({"workerCachePercentage": 500, "plasmaStore": "/plasma"}, 2**32, "/plasma"),
        ({"workerCacheSize": 1000, "plasmaStore": ""}, 1000, "/dev/shm"),
    ],
)
def test_the_cache_is_memory(decoded: Jobs, policy: Policy, size: int, path: str) -> None:
    resources = {"limits": {"memory": "4Gi"}}
    assert volumes_of(decoded, "Worker", {"workerMemoryTuningPolicy": policy}, resources=resources) == (
        [{"name": "mars-shared-cache", "emptyDir": {"medium": "Memory", "sizeLimit": str(size)}}],
        [{"name": "mars-shared-cache", "mountPath": path}],
    )


@pytest.mark.parametrize(
    ("role", "policy"),
    [
        ("Scheduler", {"workerCacheSize": "1Gi"}),
        ("WebService", SPILL),
        ("Worker", {}),
        ("Worker", {"workerCachePercentage": 0}),
        ("Worker", {"workerCachePercentage": 50}),
    ],
)
def test_no_volumes(decoded: Jobs, role: str, policy: Policy) -> None:
    assert volumes_of(decoded, role, {"workerMemoryTuningPolicy": policy}) == ([], [])


def test_an_ingress_for_each_web_service(decoded: Jobs) -> None:
    job = decoded(PLUGIN, KUBEDL, ROLES, ports={"WebService": 8080}, webHost="mars.example.org")
    first, second = PLUGIN.objects(job)
    assert (first.resource.plural, second.body["metadata"]["name"]) == ("ingresses", "job-webservice-1")
    assert first.body["metadata"] == {
        "name": "job-webservice-0",
        "labels": {"replica-type": "webservice"},
        "annotations": {"nginx.ingress.kubernetes.io/rewrite-target": "/$1"},
    }
    (rule,) = first.body["spec"]["rules"]
    backend = {"service": {"name": "job-webservice-0", "port": {"number": 8080}}}
    assert rule["host"] == "mars.example.org"
    assert rule["http"]["paths"] == [
        {"path": path, "pathType": "ImplementationSpecific", "backend": backend}
        for path in ("/mars/team/job-webservice-0/(.*)", "/mars/team/job-webservice-0")
    ]
    assert PLUGIN.status_fields(job) == {
        "webServiceAddresses": [
            "mars.example.org/mars/team/job-webservice-0",
            "mars.example.org/mars/team/job-webservice-1",
        ]
    }


def test_no_ingress_without_a_host(decoded: Jobs) -> None:
    job = decoded(PLUGIN, KUBEDL, ROLES)
    assert list(PLUGIN.objects(job)) == []
    assert PLUGIN.status_fields(job) == {"webServiceAddresses": None}


ONE = frozenset({0})


@pytest.mark.parametrize(
    ("roles", "verdict"),
    [
        ({"Scheduler": RoleState(1, active=1), "Worker": RoleState(2)}, Verdict()),
        ({"Scheduler": RoleState(1, active=1), "Worker": RoleState(2, active=1)}, Verdict(ConditionType.RUNNING)),
        ({"Scheduler": RoleState(1, active=1), "Worker": RoleState(2, failed=2)}, Verdict()),
        (
            {"Scheduler": RoleState(1, active=1), "Worker": RoleState(2, failed=1, active=1)},
            Verdict(ConditionType.RUNNING),
        ),
        (
            {"Scheduler": RoleState(1, active=1), "Worker": RoleState(2, restarting=1)},
            Verdict(ConditionType.RESTARTING, "Worker", 1),
        ),
        ({"Scheduler": RoleState(1, failed=1)}, Verdict(ConditionType.FAILED, "Scheduler", 1)),
        (
            {"Scheduler": RoleState(1, succeeded_indexes=ONE), "Worker": RoleState(2, active=2)},
            Verdict(ConditionType.SUCCEEDED),
        ),
    ],
)
def test_the_scheduler_decides(decoded: Jobs, roles: dict[str, RoleState], verdict: Verdict) -> None:
    assert PLUGIN.evaluate(decoded(PLUGIN, KUBEDL, ROLES), roles) == verdict


def test_texts(decoded: Jobs) -> None:
    job = decoded(PLUGIN, KUBEDL, ROLES)
    texts = dialect_for(KUBEDL).texts_for(PLUGIN.conventions[KUBEDL])
    failed, restarting = texts.failed(job, "Scheduler", 1), texts.restarting(job, "Worker", 2)
    assert texts.succeeded(job).message == "MarsJob job has successfully completed."
    assert (failed.reason, failed.message) == (
        "MarsJobFailed",
        "MarsJob job is failed because 1 Scheduler replica(s) failed",
    )
    assert (restarting.reason, restarting.message) == (
        "MarsJobRestarting",
        "MarsJob job is restarting because 2 Worker replica(s) failed",
    )
