from typing import Any

import pytest

from kdl_local.apiserver.pod_defaults import default_pod, pull_policy, qos_class

MINIMAL: dict[str, Any] = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a", "image": "x"}]}}


def defaulted(**spec: Any) -> dict[str, Any]:
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a", "image": "x"}], **spec}}
    default_pod(pod)
    found: dict[str, Any] = pod["spec"]
    return found


def test_a_minimal_pod() -> None:
    pod: dict[str, Any] = {"spec": {"containers": [{"name": "a", "image": "x"}]}}
    default_pod(pod)
    assert pod == {
        "spec": {
            "containers": [
                {
                    "name": "a",
                    "image": "x",
                    "imagePullPolicy": "Always",
                    "resources": {},
                    "terminationMessagePath": "/dev/termination-log",
                    "terminationMessagePolicy": "File",
                }
            ],
            "dnsPolicy": "ClusterFirst",
            "enableServiceLinks": True,
            "restartPolicy": "Always",
            "schedulerName": "default-scheduler",
            "securityContext": {},
            "terminationGracePeriodSeconds": 30,
        },
        "status": {"phase": "Pending", "qosClass": "BestEffort"},
    }


def test_what_is_given_stays() -> None:
    spec = defaulted(restartPolicy="Never", terminationGracePeriodSeconds=0, schedulerName="mine")
    assert (spec["restartPolicy"], spec["terminationGracePeriodSeconds"], spec["schedulerName"]) == ("Never", 0, "mine")


def test_defaulting_twice_changes_nothing() -> None:
    spec = defaulted(volumes=[{"name": "v"}])
    again = {"spec": spec}
    default_pod(again)
    assert again["spec"] == spec


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("x", "Always"),
        ("x:latest", "Always"),
        ("x:1", "IfNotPresent"),
        ("registry:5000/x", "Always"),
        ("registry:5000/x:1", "IfNotPresent"),
        ("x@sha256:abc", "IfNotPresent"),
    ],
)
def test_pull_policy(image: str, policy: str) -> None:
    assert pull_policy(image) == policy


@pytest.mark.parametrize(
    ("volume", "filled"),
    [
        ({"name": "v"}, {"name": "v", "emptyDir": {}}),
        (
            {"name": "v", "secret": {"secretName": "s"}},
            {"name": "v", "secret": {"secretName": "s", "defaultMode": 420}},
        ),
        ({"name": "v", "hostPath": {"path": "/x"}}, {"name": "v", "hostPath": {"path": "/x", "type": ""}}),
        (
            {"name": "v", "downwardAPI": {"items": [{"path": "p", "fieldRef": {"fieldPath": "metadata.name"}}]}},
            {
                "name": "v",
                "downwardAPI": {
                    "defaultMode": 420,
                    "items": [{"path": "p", "fieldRef": {"fieldPath": "metadata.name", "apiVersion": "v1"}}],
                },
            },
        ),
        (
            {"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
            {
                "name": "v",
                "projected": {
                    "defaultMode": 420,
                    "sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 3600}}],
                },
            },
        ),
    ],
)
def test_volumes(volume: dict[str, Any], filled: dict[str, Any]) -> None:
    assert defaulted(volumes=[volume])["volumes"] == [filled]


@pytest.mark.parametrize(
    ("container", "field", "filled"),
    [
        ({"ports": [{"containerPort": 80}]}, "ports", [{"containerPort": 80, "protocol": "TCP"}]),
        (
            {"resources": {"limits": {"cpu": 0.5, "memory": "1024Mi"}}},
            "resources",
            {"limits": {"cpu": "500m", "memory": "1Gi"}, "requests": {"cpu": "500m", "memory": "1Gi"}},
        ),
        (
            {"resources": {"limits": {"cpu": "2"}, "requests": {"cpu": "1"}}},
            "resources",
            {"limits": {"cpu": "2"}, "requests": {"cpu": "1"}},
        ),
        (
            {"env": [{"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]},
            "env",
            [{"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name", "apiVersion": "v1"}}}],
        ),
        (
            {"readinessProbe": {"httpGet": {"port": 80}}},
            "readinessProbe",
            {
                "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
                "timeoutSeconds": 1,
                "periodSeconds": 10,
                "successThreshold": 1,
                "failureThreshold": 3,
            },
        ),
    ],
)
def test_containers(container: dict[str, Any], field: str, filled: Any) -> None:
    spec = defaulted(containers=[{"name": "a", "image": "x", **container}])
    assert spec["containers"][0][field] == filled


def test_init_containers_are_filled_in_as_well() -> None:
    assert (
        defaulted(initContainers=[{"name": "i", "image": "x:1"}])["initContainers"][0]["imagePullPolicy"]
        == "IfNotPresent"
    )


def test_ports_of_the_host_network() -> None:
    spec = defaulted(hostNetwork=True, containers=[{"name": "a", "image": "x", "ports": [{"containerPort": 80}]}])
    assert spec["containers"][0]["ports"][0]["hostPort"] == 80


def resources(**given: dict[str, str]) -> dict[str, Any]:
    return {"resources": given}


FULL = {"cpu": "1", "memory": "1Gi"}


@pytest.mark.parametrize(
    ("containers", "qos"),
    [
        ([{}], "BestEffort"),
        ([resources(limits=FULL, requests=FULL)], "Guaranteed"),
        ([resources(limits=FULL)], "Guaranteed"),
        ([resources(limits=FULL, requests={"cpu": "1", "memory": "500Mi"})], "Burstable"),
        ([resources(limits=FULL), {}], "Burstable"),
        ([resources(requests={"cpu": "1"})], "Burstable"),
        ([resources(requests={"example.com/gpu": "1"})], "BestEffort"),
    ],
)
def test_qos_class(containers: list[dict[str, Any]], qos: str) -> None:
    assert qos_class({"containers": containers}) == qos
