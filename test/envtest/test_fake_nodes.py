"""Pods on nodes that kwok plays do what their annotations say, as on the fake nodes of the local cluster."""

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import pytest

from kdl_runtime.client.client import Patch, PatchType, WriteOptions
from kdl_runtime.errors import NotFound
from kdl_runtime.resources.registry import PODS
from kdl_runtime.types import ObjectKey
from kdl_testing.envtest import Cluster

PATIENCE = 30.0
FINALIZER = "kdl.io/test"
Object = dict[str, Any]


def pod(name: str, policy: str = "Never", **notes: str) -> Object:
    annotations = {f"kdl.io/fake-{key.replace('_', '-')}": value for key, value in notes.items()}
    metadata = {"namespace": "default", "name": name, "annotations": annotations}
    containers = [{"name": "main", "image": "a"}, {"name": "beside", "image": "b"}]
    return {"metadata": metadata, "spec": {"restartPolicy": policy, "containers": containers}}


def create(cluster: Cluster, obj: Object) -> str:
    cluster.call(lambda client: client.create(PODS, obj))
    return str(obj["metadata"]["name"])


def get(cluster: Cluster, name: str) -> Object:
    return cluster.call(lambda client: client.get(PODS, ObjectKey("default", name)))


def patch(cluster: Cluster, name: str, body: Object, subresource: str = "") -> None:
    key, options = ObjectKey("default", name), WriteOptions(subresource=subresource)
    cluster.call(lambda client: client.patch(PODS, key, Patch(PatchType.MERGE, body), options))


def until(cluster: Cluster, name: str, holds: Callable[[Object], bool]) -> Object:
    deadline = time.monotonic() + PATIENCE
    while True:
        found = get(cluster, name)
        if holds(found):
            return found
        assert time.monotonic() < deadline, found["status"]
        time.sleep(0.1)


def phase(wanted: str) -> Callable[[Object], bool]:
    return lambda found: bool(found["status"]["phase"] == wanted)


def delete(cluster: Cluster, name: str) -> None:
    cluster.call(lambda client: client.delete(PODS, ObjectKey("default", name)))


def until_gone(cluster: Cluster, name: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            found = get(cluster, name)
        except NotFound:
            return
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


def main(found: Object) -> Mapping[str, Any]:
    """The status of the first container; before it has one, that of none."""
    statuses: list[Mapping[str, Any]] = found["status"].get("containerStatuses") or [{"state": {}, "restartCount": 0}]
    return statuses[0]


def ready(found: Object) -> str:
    return str(next(item["status"] for item in found["status"]["conditions"] if item["type"] == "Ready"))


def seconds(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def test_a_pod_runs_until_it_is_deleted(fake_cluster: Cluster) -> None:
    name = create(fake_cluster, pod("runs"))
    found = until(fake_cluster, name, phase("Running"))
    assert ready(found) == "True"
    assert found["status"]["podIP"]
    assert found["status"]["hostIP"].startswith("10.16.0.")
    assert found["spec"]["nodeName"] in ("fake-0", "fake-1")
    delete(fake_cluster, name)
    until_gone(fake_cluster, name)


@pytest.mark.parametrize(
    ("notes", "expected", "code"),
    [
        ({"run_seconds": "1"}, "Succeeded", 0),
        ({"run_seconds": "0"}, "Succeeded", 0),
        ({"run_seconds": "0.5", "exit_code": "3"}, "Failed", 3),
        ({"run_seconds": "1", "exit_code": "7,0"}, "Failed", 7),
        ({"run_seconds": "soon"}, "Failed", 128),
        ({"exit_code": "bad"}, "Failed", 128),
        ({"start_after": "x"}, "Failed", 128),
    ],
)
def test_how_a_pod_ends(fake_cluster: Cluster, notes: dict[str, str], expected: str, code: int) -> None:
    name = create(fake_cluster, pod("ends", **notes))
    found = until(fake_cluster, name, phase(expected))
    ends = [status["state"]["terminated"] for status in found["status"]["containerStatuses"]]
    assert [end["exitCode"] for end in ends] == [code, code]
    assert ready(found) == "False"
    delete(fake_cluster, name)
    until_gone(fake_cluster, name)


def test_it_runs_as_long_as_it_is_told(fake_cluster: Cluster) -> None:
    name = create(fake_cluster, pod("long", start_after="2", run_seconds="3"))
    end = main(until(fake_cluster, name, phase("Succeeded")))["state"]["terminated"]
    assert seconds(end["startedAt"], end["finishedAt"]) == pytest.approx(3, abs=1)
    assert seconds(get(fake_cluster, name)["metadata"]["creationTimestamp"], end["startedAt"]) >= 2


def test_it_runs_no_longer_for_being_changed(fake_cluster: Cluster) -> None:
    name = create(fake_cluster, pod("changed", run_seconds="3"))
    until(fake_cluster, name, phase("Running"))
    for number in range(8):
        patch(fake_cluster, name, {"metadata": {"labels": {"number": str(number)}}})
        time.sleep(0.5)
    end = main(until(fake_cluster, name, phase("Succeeded")))["state"]["terminated"]
    assert seconds(end["startedAt"], end["finishedAt"]) == pytest.approx(3, abs=1)


def test_it_restarts_as_its_policy_says(fake_cluster: Cluster) -> None:
    name = create(fake_cluster, pod("again", "OnFailure", run_seconds="1", exit_code="1,0"))
    found = until(fake_cluster, name, phase("Succeeded"))
    assert (main(found)["restartCount"], main(found)["state"]["terminated"]["exitCode"]) == (1, 0)


def test_it_waits_between_restarts(fake_cluster: Cluster) -> None:
    name = create(fake_cluster, pod("loops", "Always", run_seconds="0", exit_code="5,6"))
    found = until(fake_cluster, name, lambda pod: "waiting" in main(pod)["state"] and main(pod)["restartCount"] == 1)
    assert found["status"]["phase"] == "Running"
    assert main(found)["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert main(found)["lastState"]["terminated"]["exitCode"] == 6
    delete(fake_cluster, name)
    until_gone(fake_cluster, name)


def test_init_containers_and_sidecars(fake_cluster: Cluster) -> None:
    obj = pod("init", run_seconds="1")
    sidecar = {"name": "side", "image": "c", "restartPolicy": "Always"}
    obj["spec"]["initContainers"] = [{"name": "first", "image": "c"}, sidecar]
    found = until(fake_cluster, create(fake_cluster, obj), phase("Succeeded"))
    states = [status["state"] for status in found["status"]["initContainerStatuses"]]
    assert [state["terminated"]["exitCode"] for state in states] == [0, 0]


def test_a_deleted_pod_that_is_held_says_how_it_ended(fake_cluster: Cluster) -> None:
    obj = pod("held")
    obj["metadata"]["finalizers"] = [FINALIZER]
    name = create(fake_cluster, obj)
    until(fake_cluster, name, phase("Running"))
    delete(fake_cluster, name)
    found = until(fake_cluster, name, phase("Failed"))
    assert main(found)["state"]["terminated"]["exitCode"] == 143
    until(fake_cluster, name, lambda pod: pod["metadata"]["deletionGracePeriodSeconds"] == 0)
    patch(fake_cluster, name, {"metadata": {"finalizers": None}})
    until_gone(fake_cluster, name)


def test_it_takes_its_time_to_end(fake_cluster: Cluster) -> None:
    name = create(fake_cluster, pod("slow", stop_after="3"))
    until(fake_cluster, name, phase("Running"))
    started = time.monotonic()
    delete(fake_cluster, name)
    until_gone(fake_cluster, name)
    assert time.monotonic() - started > 1.5


def test_a_pod_that_ended_otherwise_is_left_alone(fake_cluster: Cluster) -> None:
    name = create(fake_cluster, pod("evicted", run_seconds="4"))
    until(fake_cluster, name, phase("Running"))
    patch(fake_cluster, name, {"status": {"phase": "Failed", "reason": "Evicted"}}, "status")
    version = get(fake_cluster, name)["metadata"]["resourceVersion"]
    time.sleep(5)
    assert get(fake_cluster, name)["metadata"]["resourceVersion"] == version
