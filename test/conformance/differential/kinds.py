"""The kinds that sequences are about: what their objects look like, and what is changed in them, rightly or not."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """``make`` gives an object without metadata. ``changes``, ``wrong`` and ``status`` are merge patches: of what may
    change, of what is refused (at once or in an update), and of the status. ``fields`` are field selectors.
    """

    group_version: str
    kind: str
    plural: str
    make: Callable[[random.Random], Object]
    changes: tuple[Object, ...]
    wrong: tuple[Object, ...] = ()
    status: tuple[Object, ...] = ()
    subresources: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    namespaced: bool = True
    custom: bool = False

    @property
    def prefix(self) -> str:
        return f"/apis/{self.group_version}" if "/" in self.group_version else f"/api/{self.group_version}"

    def collection(self, namespace: str = "") -> str:
        """The path of the objects in a namespace, or of all."""
        middle = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{self.prefix}{middle}/{self.plural}"

    def new(self, rng: random.Random, name: str) -> Object:
        """An object that is valid, with the label by which a sequence finds its own."""
        labels = {"seq": "fz-l", **rng.choice([{}, {"app": "web"}, {"app": "db", "tier": "x"}])}
        meta: Object = {"name": name, "labels": labels}
        if rng.random() < 0.2:
            meta["annotations"] = {"example.com/note": rng.choice(["", "one", "zwei ä"])}
        if rng.random() < 0.15:
            meta["finalizers"] = rng.sample(["example.com/first", "example.com/second"], rng.randint(1, 2))
        if rng.random() < 0.1:
            meta["ownerReferences"] = [owner("y")]
        return {"apiVersion": self.group_version, "kind": self.kind, "metadata": meta, **self.make(rng)}


def owner(name: str, **more: Any) -> Object:
    uid = "11111111-2222-3333-4444-555555555555"
    return {"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": uid, **more}


def _config_map(rng: random.Random) -> Object:
    found: Object = {"data": rng.choice([{"a": "1"}, {"a": "1", "b": "two\nlines"}, {}])}
    if rng.random() < 0.2:
        found["binaryData"] = {"bin": "AAEC"}
    return found


def _secret(rng: random.Random) -> Object:
    return rng.choice([{"data": {"a": "AAEC"}}, {"stringData": {"b": "plain"}}, {"data": {"a": "AA=="}, "type": "own"}])


def _service(rng: random.Random) -> Object:
    port = {"port": 80, **rng.choice([{}, {"name": "http"}, {"targetPort": "web"}, {"protocol": "UDP"}])}
    spec: Object = {"ports": [port], "selector": {"app": "web"}}
    spec |= rng.choice([{}, {"clusterIP": "None"}, {"clusterIP": "None", "publishNotReadyAddresses": True}])
    return {"spec": spec}


def container(rng: random.Random, name: str = "main") -> Object:
    found: Object = {"name": name, "image": rng.choice(["kdl/python", "kdl/python:1"]), "command": ["true"]}
    more: list[Object] = [
        {},
        {
            "env": [
                {"name": "A", "value": "1"},
                {"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            ]
        },
        {"ports": [{"containerPort": 8080, "name": "web"}, {"containerPort": 9090, "protocol": "UDP"}]},
        {"resources": {"limits": {"cpu": "1", "memory": "64Mi"}}},
        {"resources": {"requests": {"cpu": "100m", "memory": "0.5Gi"}, "limits": {"cpu": "1000m"}}},
        {"readinessProbe": {"httpGet": {"port": 8080}}, "livenessProbe": {"exec": {"command": ["true"]}}},
        {"volumeMounts": [{"name": "v", "mountPath": "/v"}]},
        {"securityContext": {"runAsNonRoot": True}, "workingDir": "/tmp", "args": ["-c"]},
        {
            "lifecycle": {"preStop": {"exec": {"command": ["true"]}}},
            "terminationMessagePolicy": "FallbackToLogsOnError",
        },
    ]
    return {**found, **rng.choice(more)}


LOST_NODES: tuple[Object, ...] = tuple(
    {"key": f"node.kubernetes.io/{state}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
    for state in ("not-ready", "unreachable")
)
_TOLERATED: Object = {"key": "k", "operator": "Exists"}
_NOT_READY: Object = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}


def pod_spec(rng: random.Random) -> Object:
    spec: Object = {"containers": [container(rng)], "automountServiceAccountToken": False, "schedulerName": "nobody"}
    if rng.random() < 0.2:
        spec["containers"].append({"name": "side", "image": "kdl/python:2"})
    if rng.random() < 0.2:
        sidecar: Object = rng.choice([{}, {"restartPolicy": "Always"}])
        spec["initContainers"] = [{"name": "init", "image": "kdl/python:2", **sidecar}]
    if any("volumeMounts" in item for item in spec["containers"]) or rng.random() < 0.2:
        source: Object = rng.choice(
            [{"emptyDir": {}}, {"configMap": {"name": "x"}}, {"secret": {"secretName": "x"}}, {}]
        )
        spec["volumes"] = [{"name": "v", **source}]
    spec |= rng.choice([{}, {"restartPolicy": "Never"}, {"restartPolicy": "OnFailure", "activeDeadlineSeconds": 60}])
    spec |= rng.choice([{}, {}, {"nodeSelector": {"zone": "a"}}, {"hostname": "h", "subdomain": "s"}])
    spec |= rng.choice([{}, {}, {"nodeName": "fz-n"}])
    # Mostly with those that every pod gets on a real cluster, lest each sequence ends with a difference that is known.
    if rng.random() < 0.96:
        spec["tolerations"] = [*rng.choice([[], [], [_TOLERATED]]), *LOST_NODES]
    spec |= rng.choice(
        [{}, {}, {"terminationGracePeriodSeconds": 5}, {"schedulingGates": [{"name": "example.com/gate"}]}]
    )
    spec |= rng.choice([{}, {}, {"priorityClassName": "system-node-critical"}, {"priorityClassName": "fz-x"}])
    if "nodeName" in spec:
        spec.pop("schedulingGates", None)
    return spec


_CONDITION = {"type": "Ready", "status": "True", "lastTransitionTime": "2020-01-01T00:00:00Z"}
_STARTED = {"state": {"running": {"startedAt": "2020-01-01T00:00:00Z"}}}

PODS = Kind(
    "v1",
    "Pod",
    "pods",
    lambda rng: {"spec": pod_spec(rng)},
    changes=(
        {"metadata": {"labels": {"app": "db"}}},
        {"metadata": {"annotations": {"example.com/x": "y"}}},
        {"spec": {"activeDeadlineSeconds": 30}},
        {"spec": {"tolerations": [_TOLERATED, *LOST_NODES, {"key": "l", "operator": "Exists"}]}},
    ),
    wrong=(
        {"spec": {"restartPolicy": "Sometimes"}},
        {"spec": {"containers": []}},
        {"spec": {"containers": [{"name": "main"}]}},
        {"spec": {"containers": [{"name": "Main_", "image": "x"}]}},
        {"spec": {"containers": [{"name": "a", "image": "x"}, {"name": "a", "image": "x"}]}},
        {"spec": {"hostname": "UPPER"}},
        {"spec": {"nodeName": "fz-other"}},
        {"spec": {"activeDeadlineSeconds": -1}},
        {"spec": {"terminationGracePeriodSeconds": "x"}},
        {"spec": {"volumes": [{"name": "v"}, {"name": "v"}]}},
        {"spec": {"priority": 7}},
        {"spec": {"priorityClassName": "none-such"}},
        {"spec": {"dnsPolicy": "None"}},
    ),
    status=(
        {"status": {"phase": "Running", "podIP": "10.1.2.3", "podIPs": [{"ip": "10.1.2.3"}]}},
        {"status": {"phase": "Succeeded"}},
        {"status": {"phase": "Failed", "reason": "Evicted", "message": "it was"}},
        {"status": {"conditions": [_CONDITION]}},
        {
            "status": {
                "containerStatuses": [
                    {"name": "main", "ready": True, "restartCount": 1, "image": "i", "imageID": "j", **_STARTED}
                ]
            }
        },
    ),
    subresources=("status",),
    fields=("spec.nodeName=fz-n", "status.phase=Running", "status.phase!=Succeeded,spec.restartPolicy=Never"),
)

KINDS = (
    Kind(
        "v1",
        "ConfigMap",
        "configmaps",
        _config_map,
        changes=(
            {"data": {"a": "2"}},
            {"data": {"b": None, "c": "3"}},
            {"data": None},
            {"metadata": {"labels": {"app": "db"}}},
            {"immutable": True},
        ),
        wrong=(
            {"data": {"not/valid": "x"}},
            {"data": {"a": 1}},
            {"data": {"..": "x"}},
            {"data": {"bin": "x"}, "binaryData": {"bin": "AAEC"}},
            {"binaryData": {"b": "%%%"}},
            {"immutable": "yes"},
            {"data": "text"},
        ),
    ),
    Kind(
        "v1",
        "Secret",
        "secrets",
        _secret,
        changes=({"data": {"a": "AQ=="}}, {"stringData": {"c": "3"}}, {"metadata": {"annotations": {"a": "b"}}}),
        wrong=(
            {"data": {"a": "no base64"}},
            {"type": "other"},
            {"type": "kubernetes.io/tls"},
            {"data": {"a b": "AA=="}},
            {"immutable": 1},
        ),
        fields=("type=Opaque", "type!=Opaque", "data.a=1"),
    ),
    Kind(
        "v1",
        "Service",
        "services",
        _service,
        changes=(
            {"spec": {"selector": {"app": "db"}}},
            {"spec": {"ports": [{"port": 81, "name": "x"}, {"port": 82, "name": "y", "targetPort": 8080}]}},
            {"spec": {"publishNotReadyAddresses": True}},
            {"spec": {"sessionAffinity": "None"}},
        ),
        wrong=(
            {"spec": {"ports": []}},
            {"spec": {"ports": [{"port": 80}, {"port": 81}]}},
            {"spec": {"ports": [{"port": 0}]}},
            {"spec": {"ports": [{"port": 80, "protocol": "tcp"}]}},
            {"spec": {"clusterIP": "1.2.3"}},
            {"spec": {"clusterIP": "None"}},
            {"spec": {"type": "Sometimes"}},
            {"spec": {"selector": {"a b": "c"}}},
        ),
        status=({"status": {"loadBalancer": {}}},),
        subresources=("status",),
        fields=("spec.clusterIP=None", "spec.type=ClusterIP"),
    ),
    Kind(
        "v1",
        "ServiceAccount",
        "serviceaccounts",
        lambda rng: rng.choice([{}, {"automountServiceAccountToken": False}, {"imagePullSecrets": [{"name": "s"}]}]),
        changes=({"secrets": [{"name": "t"}]}, {"automountServiceAccountToken": True}),
    ),
    Kind(
        "v1",
        "Endpoints",
        "endpoints",
        lambda rng: {"subsets": [{"addresses": [{"ip": "10.1.2.3"}], "ports": [{"port": 80}]}]},
        changes=({"subsets": None}, {"metadata": {"labels": {"app": "db"}}}),
        wrong=({"subsets": [{"addresses": [{"ip": "x"}]}]},),
    ),
    Kind(
        "v1",
        "Event",
        "events",
        lambda rng: {
            "involvedObject": {"kind": "Pod", "namespace": "fz-a", "name": "x"},
            "reason": "Because",
            "message": "It was so.",
            "type": rng.choice(["Normal", "Warning"]),
            "source": {"component": "fuzzer"},
            "firstTimestamp": "2020-01-01T00:00:00Z",
            "lastTimestamp": "2020-01-01T00:00:00Z",
            "count": 1,
        },
        changes=({"count": 2}, {"message": "Again."}),
        wrong=({"involvedObject": {"namespace": "other"}},),
        fields=("involvedObject.name=x", "reason=Because,type=Normal", "involvedObject.kind!=Pod"),
    ),
    Kind(
        "events.k8s.io/v1",
        "Event",
        "events",
        lambda rng: {
            "regarding": {"kind": "Pod", "namespace": "fz-a", "name": "x"},
            "reason": "Because",
            "note": "It was so.",
            "action": "Looking",
            "type": rng.choice(["Normal", "Warning"]),
            "eventTime": "2020-01-01T00:00:00.000000Z",
            "reportingController": "example.com/fuzzer",
            "reportingInstance": "fuzzer-1",
        },
        changes=({"series": {"count": 2, "lastObservedTime": "2020-01-01T00:00:05.000000Z"}},),
        wrong=({"reportingController": ""}, {"action": None}, {"type": "Bad"}, {"note": "other"}, {"eventTime": None}),
        fields=("regarding.name=x", "reason=Because,type=Normal"),
    ),
    Kind(
        "coordination.k8s.io/v1",
        "Lease",
        "leases",
        lambda rng: {
            "spec": {
                "holderIdentity": "me",
                "leaseDurationSeconds": 15,
                "acquireTime": "2020-01-01T00:00:00.000000Z",
                "renewTime": "2020-01-01T00:00:00.000000Z",
            }
        },
        changes=(
            {"spec": {"holderIdentity": "you", "leaseTransitions": 1}},
            {"spec": {"renewTime": "2020-01-01T00:00:10.000000Z"}},
        ),
        wrong=({"spec": {"leaseDurationSeconds": 0}}, {"spec": {"leaseTransitions": -1}}, {"spec": {"renewTime": "x"}}),
    ),
    Kind(
        "discovery.k8s.io/v1",
        "EndpointSlice",
        "endpointslices",
        lambda rng: {
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.1.2.3"], "conditions": {"ready": True}}],
            "ports": [{"port": 80, "name": "http"}],
        },
        changes=(
            {"endpoints": [{"addresses": ["10.1.2.4"], "conditions": {"ready": False}}]},
            {"ports": [{"port": 81}]},
        ),
        wrong=({"addressType": "IPv5"}, {"addressType": "IPv6"}, {"endpoints": [{"addresses": ["x"]}]}),
    ),
    Kind(
        "policy/v1",
        "PodDisruptionBudget",
        "poddisruptionbudgets",
        lambda rng: {"spec": {"minAvailable": rng.choice([1, "50%"]), "selector": {"matchLabels": {"none": "such"}}}},
        changes=({"spec": {"minAvailable": 2}},),
        status=({"status": {"currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1, "disruptionsAllowed": 0}},),
        subresources=("status",),
    ),
    Kind(
        "rbac.authorization.k8s.io/v1",
        "Role",
        "roles",
        lambda rng: {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]},
        changes=({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]},),
        wrong=({"rules": [{"apiGroups": [""], "resources": ["pods"]}]},),
    ),
    Kind(
        "scheduling.k8s.io/v1",
        "PriorityClass",
        "priorityclasses",
        lambda rng: {"value": rng.choice([5, 1000]), **rng.choice([{}, {"preemptionPolicy": "Never"}])},
        changes=({"description": "other"}, {"metadata": {"labels": {"app": "db"}}}),
        wrong=({"value": 7}, {"value": 2000000000}, {"preemptionPolicy": "Maybe"}, {"value": "x"}),
        namespaced=False,
    ),
    Kind(
        "v1",
        "Node",
        "nodes",
        # Mostly with the taint that every node gets on a real cluster.
        lambda rng: {
            "spec": {
                **rng.choice([{}, {"unschedulable": True}]),
                **rng.choice([*[{"taints": [_NOT_READY]}] * 19, {}]),
            }
        },
        changes=(
            {"spec": {"unschedulable": True}},
            {"spec": {"taints": [{"key": "k", "value": "v", "effect": "NoSchedule"}, _NOT_READY]}},
            {"metadata": {"labels": {"app": "db"}}},
        ),
        wrong=({"spec": {"taints": [{"key": "k", "effect": "Never"}]}},),
        status=(
            {"status": {"conditions": [{"type": "Ready", "status": "True"}]}},
            {"status": {"capacity": {"cpu": "4", "memory": "8Gi", "pods": "10"}}},
        ),
        subresources=("status",),
        fields=("spec.unschedulable=true", "metadata.name=fz-x"),
        namespaced=False,
    ),
)
