import copy
from typing import Any

import pytest

from kdl_local.apiserver.pod_defaults import default_pod
from kdl_local.apiserver.pod_validation import pod_errors, pod_template_errors


def pod(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """A pod with its defaults; each container has a name and an image unless it says otherwise."""
    found = [{"name": f"c{index}", "image": "x", **item} for index, item in enumerate(containers or ({},))]
    obj = {"metadata": {"name": "p"}, "spec": {"containers": found, **spec}}
    default_pod(obj)
    return obj


def errors_of(obj: dict[str, Any], old: dict[str, Any] | None = None) -> list[str]:
    return [str(error) for error in pod_errors(obj, old)]


@pytest.mark.parametrize(
    ("container", "message"),
    [
        ({"name": ""}, "spec.containers[0].name: Required value"),
        ({"name": "A"}, 'spec.containers[0].name: Invalid value: "A": a lowercase RFC 1123 label must consist'),
        ({"image": ""}, "spec.containers[0].image: Required value"),
        (
            {"image": " x"},
            'spec.containers[0].image: Invalid value: " x": must not have leading or trailing whitespace',
        ),
        (
            {"imagePullPolicy": "Sometimes"},
            'spec.containers[0].imagePullPolicy: Unsupported value: "Sometimes": supported values: "Always", '
            '"IfNotPresent", "Never"',
        ),
        (
            {"terminationMessagePolicy": "Log"},
            'spec.containers[0].terminationMessagePolicy: Unsupported value: "Log": supported values: '
            '"File", "FallbackToLogsOnError"',
        ),
        ({"ports": [{"containerPort": 0}]}, "spec.containers[0].ports[0].containerPort: Required value"),
        (
            {"ports": [{"containerPort": 70000}]},
            "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
        ),
        (
            {"ports": [{"containerPort": 1, "name": "a"}, {"containerPort": 2, "name": "a"}]},
            'spec.containers[0].ports[1].name: Duplicate value: "a"',
        ),
        (
            {"ports": [{"containerPort": 1, "protocol": "HTTP"}]},
            'spec.containers[0].ports[0].protocol: Unsupported value: "HTTP": supported values: "SCTP", "TCP", "UDP"',
        ),
        (
            {"ports": [{"containerPort": 1, "hostPort": 9}, {"containerPort": 2, "hostPort": 9}]},
            'spec.containers[0].ports[1].hostPort: Duplicate value: "TCP/9"',
        ),
        ({"env": [{"value": "x"}]}, "spec.containers[0].env[0].name: Required value"),
        (
            {"env": [{"name": "A", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]},
            'spec.containers[0].env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty',
        ),
        (
            {"env": [{"name": "A", "valueFrom": {}}]},
            'spec.containers[0].env[0].valueFrom: Invalid value: "": must specify one of: `fieldRef`, `resource',
        ),
        (
            {"volumeMounts": [{"name": "v", "mountPath": "/v"}]},
            'spec.containers[0].volumeMounts[0].name: Not found: "v"',
        ),
        (
            {"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}},
            'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
        ),
        (
            {"resources": {"requests": {"cpu": "-1"}}},
            'spec.containers[0].resources.requests[cpu]: Invalid value: "-1": must be greater than or equal to 0',
        ),
        (
            {"resources": {"limits": {"cpu": "many"}, "requests": {"cpu": "1"}}},
            'spec.containers[0].resources.limits[cpu]: Invalid value: "many": quantities must match',
        ),
    ],
)
def test_a_bad_container(container: dict[str, Any], message: str) -> None:
    assert [error[: len(message)] for error in errors_of(pod(container))] == [message]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"restartPolicy": "Sometimes"}, 'spec.restartPolicy: Unsupported value: "Sometimes": supported values: '),
        ({"dnsPolicy": "Mine"}, 'spec.dnsPolicy: Unsupported value: "Mine": supported values: '),
        ({"hostname": "a.b"}, 'spec.hostname: Invalid value: "a.b": must not contain dots'),
        ({"nodeName": "A"}, 'spec.nodeName: Invalid value: "A": a lowercase RFC 1123 subdomain'),
        (
            {"activeDeadlineSeconds": 0},
            "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive",
        ),
        ({"nodeSelector": {"a b": "c"}}, 'spec.nodeSelector: Invalid value: "a b": name part must consist'),
        ({"volumes": [{"name": "v"}, {"name": "v"}]}, 'spec.volumes[1].name: Duplicate value: "v"'),
        (
            {"volumes": [{"name": "v", "emptyDir": {}, "hostPath": {"path": "/x"}}]},
            "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type",
        ),
        ({"volumes": [{"name": "v", "secret": {}}]}, "spec.volumes[0].secret.secretName: Required value"),
        (
            {"tolerations": [{"effect": "NoRun", "operator": "Exists"}]},
            'spec.tolerations[0].effect: Unsupported value: "NoRun": supported values: "NoSchedule", ',
        ),
        (
            {"tolerations": [{"value": "x"}]},
            'spec.tolerations[0].operator: Invalid value: "": operator must be Exists when `key` is empty',
        ),
    ],
)
def test_a_bad_spec(spec: dict[str, Any], message: str) -> None:
    assert [error[: len(message)] for error in errors_of(pod(**spec))] == [message]


@pytest.mark.parametrize(
    ("container", "messages"),
    [
        ({"livenessProbe": {}}, ["livenessProbe: Required value: must specify a handler type"]),
        ({"lifecycle": {"preStop": {}}}, ["lifecycle.preStop: Required value: must specify a handler type"]),
        (
            {"startupProbe": {"exec": {"command": ["a"]}, "tcpSocket": {"port": 1}}},
            ["startupProbe.tcpSocket: Forbidden: may not specify more than 1 handler type"],
        ),
        ({"readinessProbe": {"exec": {}}}, ["readinessProbe.exec.command: Required value"]),
        (
            {"livenessProbe": {"httpGet": {"port": 70000, "scheme": "ftp"}}},
            [
                "livenessProbe.httpGet.port: Invalid value: 70000: must be between 1 and 65535, inclusive",
                'livenessProbe.httpGet.scheme: Unsupported value: "ftp": supported values: "HTTP", "HTTPS"',
            ],
        ),
        (
            {"readinessProbe": {"tcpSocket": {"port": "80"}}},
            ['readinessProbe.tcpSocket.port: Invalid value: "80": must contain at least one letter (a-z)'],
        ),
        (
            {"livenessProbe": {"grpc": {"port": 1}, "periodSeconds": -1, "successThreshold": 2}},
            [
                "livenessProbe.periodSeconds: Invalid value: -1: must be greater than or equal to 0",
                "livenessProbe.successThreshold: Invalid value: 2: must be 1",
            ],
        ),
        ({"readinessProbe": {"httpGet": {"port": "web", "path": ""}, "successThreshold": 2}}, []),
        ({"lifecycle": {"postStart": {"sleep": {"seconds": 1}}}}, []),
    ],
)
def test_probes_and_hooks(container: dict[str, Any], messages: list[str]) -> None:
    assert errors_of(pod(container)) == [f"spec.containers[0].{message}" for message in messages]


def test_a_pod_needs_containers() -> None:
    assert errors_of(pod(containers=[])) == ["spec.containers: Required value"]


def test_names_are_unique_over_all_containers() -> None:
    found = errors_of(pod({"name": "a"}, {"name": "b"}, initContainers=[{"name": "b", "image": "x"}]))
    assert found == ['spec.initContainers[0].name: Duplicate value: "b"']


def test_mounts_of_declared_volumes() -> None:
    mounts = [{"name": "v", "mountPath": "/a"}, {"name": "v", "mountPath": "/a"}]
    found = errors_of(pod({"volumeMounts": mounts}, volumes=[{"name": "v"}]))
    assert found == ['spec.containers[0].volumeMounts[1].mountPath: Invalid value: "/a": must be unique']


def test_a_template_is_checked_under_its_own_path() -> None:
    errors = pod_template_errors({"template": {"spec": pod({"image": ""})["spec"]}}, None)
    assert [str(error) for error in errors] == ["template.spec.containers[0].image: Required value"]


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"activeDeadlineSeconds": 5},
        {"tolerations": [{"key": "a", "operator": "Exists"}]},
    ],
)
def test_changes_that_a_pod_accepts(change: dict[str, Any]) -> None:
    old = pod()
    assert errors_of({**old, "spec": {**old["spec"], **change}}, old) == []


def test_the_image_may_change() -> None:
    old = pod()
    new = copy.deepcopy(old)
    new["spec"]["containers"][0] |= {"image": "y:1"}
    assert errors_of(new, old) == []


def test_containers_are_neither_added_nor_removed() -> None:
    old = pod()
    more = {**old, "spec": {**old["spec"], "initContainers": [{**old["spec"]["containers"][0], "name": "first"}]}}
    assert errors_of(more, old) == ["spec.initContainers: Forbidden: pod updates may not add or remove containers"]


def test_gates_may_be_taken_away_but_not_added() -> None:
    gated, free = pod(schedulingGates=[{"name": "g"}]), pod()
    assert errors_of(free, gated) == []
    assert errors_of(gated, free) == [
        "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'g'"
    ]


@pytest.mark.parametrize("change", [{"restartPolicy": "Never"}, {"nodeName": "n2"}, {"hostname": "h"}])
def test_changes_that_a_pod_refuses(change: dict[str, Any]) -> None:
    old = pod(nodeName="n1")
    found = errors_of({**old, "spec": {**old["spec"], **change}}, old)
    assert [error.partition(" fields")[0] for error in found] == ["spec: Forbidden: pod updates may not change"]


@pytest.mark.parametrize(("deadline", "refused"), [(5, False), (10, False), (11, True), (None, True)])
def test_a_deadline_only_comes_nearer(deadline: int | None, refused: bool) -> None:
    old = pod(activeDeadlineSeconds=10)
    assert bool(errors_of(pod(activeDeadlineSeconds=deadline), old)) is refused


def test_existing_tolerations_stay() -> None:
    old = pod(tolerations=[{"key": "a", "operator": "Exists"}])
    assert errors_of(pod(tolerations=[]), old)[0].startswith("spec.tolerations: Forbidden: existing toleration")
