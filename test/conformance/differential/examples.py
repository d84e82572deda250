"""The shortest sequences that show the accepted differences."""

from typing import Any

from conformance.api import JSON_PATCH, MERGE, STRATEGIC, TABLE
from conformance.differential.kinds import LOST_NODES, Object
from conformance.differential.steps import WAIT, Pairs, Step
from conformance.widgets import CRDS, definition

_JSON = (("Accept", "application/json"), ("Content-Type", "application/json"))
_TABLES = (("Accept", TABLE),)
_SPACE = "/api/v1/namespaces/fz-a"
_LABELS = {"seq": "fz-l"}


def _post(path: str, body: Any, *query: tuple[str, str]) -> Step:
    return Step("POST", path, query, _JSON, body)


def _get(path: str, *query: tuple[str, str], headers: Pairs = _JSON[:1]) -> Step:
    return Step("GET", path, query, headers)


def _patch(path: str, body: Any, media: str) -> Step:
    return Step("PATCH", path, (), (_JSON[0], ("Content-Type", media)), body)


def _pod(name: str = "x", **spec: Any) -> Step:
    """A pod to which the real server has nothing to add."""
    containers = [{"name": "main", "image": "kdl/python:1"}]
    fixed: Object = {"containers": containers, "automountServiceAccountToken": False, "tolerations": [*LOST_NODES]}
    meta = {"name": name, "labels": _LABELS}
    given = {key: value for key, value in {**fixed, **spec}.items() if value is not None}
    return _post(f"{_SPACE}/pods", {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": given})


def _config_map(**more: Any) -> Step:
    meta = {"name": "x", "labels": _LABELS}
    return _post(f"{_SPACE}/configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, **more})


_EVENT: Object = {
    "apiVersion": "v1",
    "kind": "Event",
    "metadata": {"name": "x"},
    "involvedObject": {"kind": "Pod", "namespace": "fz-a", "name": "x"},
}
_CLAIM: Object = {
    "metadata": {"name": "x"},
    "spec": {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "none",
        "resources": {"requests": {"storage": "1Gi"}},
    },
}
_TOYS = "/apis/toys.example.com/v1"
_RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces/fz-a/roles"
_GROUP = "fz-own.example.com"
_CROSSED = {"low": 2, "high": 1}

RIGHTS = (_get(f"{_SPACE}/secrets", headers=(*_JSON[:1], ("Impersonate-User", "nobody"))),)
SERVED = tuple(
    _get(path)
    for path in (
        "/apis",
        "/apis/apps/v1/namespaces/fz-a/deployments",
        "/apis/apps/v1/namespaces/fz-a/statefulsets",
        "/apis/batch/v1/namespaces/fz-a/jobs",
        "/apis/apps/v1/namespaces/fz-a/daemonsets",
        "/apis/apps/v1/namespaces/fz-a/replicasets",
        "/apis/apps/v1/namespaces/fz-a/controllerrevisions",
        "/apis/batch/v1/namespaces/fz-a/cronjobs",
        "/apis/networking.k8s.io/v1/namespaces/fz-a/networkpolicies",
        "/apis/storage.k8s.io/v1/storageclasses",
        "/apis/node.k8s.io/v1/runtimeclasses",
        f"{_SPACE}/replicationcontrollers",
        f"{_SPACE}/resourcequotas",
        f"{_SPACE}/limitranges",
    )
)
SUBRESOURCES = (
    _pod(),
    _get(f"{_SPACE}/pods/x/ephemeralcontainers"),
    _get(f"{_SPACE}/pods/x/resize"),
    _post(f"{_SPACE}/serviceaccounts/default/token", {"spec": {"expirationSeconds": 3600}}),
)
_CONVERTED = {
    "strategy": "Webhook",
    "webhook": {"clientConfig": {"url": "https://localhost/convert"}, "conversionReviewVersions": ["v1"]},
}
WEBHOOKS = (
    _get("/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"),
    _post(
        CRDS,
        {**definition(_GROUP), "spec": {**definition(_GROUP)["spec"], "conversion": _CONVERTED}},
        ("dryRun", "All"),
    ),
)
STORED = (_post(_RBAC, {"metadata": {"name": "x"}, "rules": [{"apiGroups": [""], "resources": ["pods"]}]}),)
TOLERATIONS = (_pod(tolerations=None),)
TOKENS = (_pod(automountServiceAccountToken=None),)
NODE = (_post("/api/v1/nodes", {"metadata": {"name": "fz-x", "labels": _LABELS}}),)
CLAIM = (_post(f"{_SPACE}/persistentvolumeclaims", _CLAIM),)
POD_WARNING = (_pod("a" * 64),)
JSON_PATCH_ABSENT = (
    _config_map(),
    _patch(f"{_SPACE}/configmaps/x", [{"op": "replace", "path": "/metadata/labels/none", "value": "1"}], JSON_PATCH),
)
_TEMPLATES = f"{_SPACE}/podtemplates"
DIRECTIVE = (
    _post(
        _TEMPLATES,
        {"metadata": {"name": "x"}, "template": {"spec": {"containers": [{"name": "a", "image": "a:1"}]}}},
    ),
    _patch(
        f"{_TEMPLATES}/x",
        {
            "template": {
                "spec": {"containers": [{"name": "b", "image": "b:1", "env": [{"name": "A", "$patch": "delete"}]}]}
            }
        },
        STRATEGIC,
    ),
)
DUPLICATE = (
    _post(f"{_SPACE}/configmaps", '{"metadata":{"name":"x"},"data":{"a":"1","a":"2"}}', ("fieldValidation", "Strict")),
)
DEFINITION = (
    _post(CRDS, {**definition(_GROUP), "spec": {**definition(_GROUP)["spec"], "versions": []}}, ("dryRun", "All")),
)
DEFINITION_STATUS = (
    _post(CRDS, definition(_GROUP)),
    Step(WAIT, f"/apis/{_GROUP}/v1/widgets"),
    _get(f"{CRDS}/widgets.{_GROUP}"),
)
WRONG_KIND = (
    _post(
        f"{_TOYS}/namespaces/fz-a/widgets",
        {
            "apiVersion": "toys.example.com/v1",
            "kind": "Other",
            "metadata": {"name": "x"},
            "spec": {"low": 3, "high": 2},
        },
    ),
)
WORDS = (_get(f"{_SPACE}/pods", ("labelSelector", "app in web")),)
SERVER_ERROR = (_pod(), _post(f"{_SPACE}/pods/x/binding", {"metadata": {"name": "x"}, "target": {"kind": "Pod"}}))
UNKNOWN_PATH = (_get("/apis/none.example.com/v1"),)
PROTOBUF = (_get(f"{_SPACE}/pods", headers=(("Accept", "application/vnd.kubernetes.protobuf, application/json"),)),)
ZERO = (_post(f"{_SPACE}/events", _EVENT),)
DISCOVERY = (_get("/api"), _get(_TOYS))
TABLES = (
    Step(
        "GET",
        f"{_SPACE}/pods",
        (
            ("watch", "true"),
            ("sendInitialEvents", "true"),
            ("resourceVersionMatch", "NotOlderThan"),
            ("allowWatchBookmarks", "true"),
        ),
        _TABLES,
        watch=True,
    ),
    _pod(),
    _patch(f"{_SPACE}/pods/x/status", {"status": {"phase": "Succeeded"}}, MERGE),
    _get(f"{_SPACE}/pods", headers=_TABLES),
)
