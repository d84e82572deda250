"""Pods as a busy cluster has them: workers of training jobs, some 4.5 KB of JSON each, managedFields included."""

import json
from typing import Any

SEQUENCE = "bench.example.com/sequence"
"""Annotation: the number of the event that this state came with; 0 in the list."""
SENT = "bench.example.com/sent"
"""Annotation: the monotonic time in nanoseconds when the event was sent; 0 where that is not measured."""
PODS_A_JOB = 8
NAMESPACES = 20

_VERSION_MARK, _SEQUENCE_MARK, _SENT_MARK = "@version@", "@sequence@", "@sent@"


class PodTemplate:
    """One pod, ready to be rendered for any event without encoding it anew."""

    __slots__ = ("_before_sent", "_before_sequence", "_before_version", "_rest")

    def __init__(self, number: int) -> None:
        text = json.dumps(pod(number), separators=(",", ":"))
        before_sequence, rest = text.split(_SEQUENCE_MARK)
        before_sent, rest = rest.split(_SENT_MARK)
        before_version, rest = rest.split(_VERSION_MARK)
        self._before_sequence = before_sequence.encode()
        self._before_sent = before_sent.encode()
        self._before_version = before_version.encode()
        self._rest = rest.encode()

    def render(self, version: int, sequence: int, sent: int = 0) -> bytes:
        """The pod as JSON. The annotations have leading zeros, so that it has the same length for all events."""
        before_sequence, before_sent = self._before_sequence, self._before_sent
        numbers = (before_sequence, sequence, before_sent, sent, self._before_version, version, self._rest)
        return b"%b%019d%b%019d%b%d%b" % numbers


def pod(number: int) -> dict[str, Any]:
    """With marks in the place of what changes: resourceVersion and the two annotations."""
    job, index = divmod(number, PODS_A_JOB)
    name, namespace = f"train-{job:05}-worker-{index}", f"team-{job % NAMESPACES:02}"
    image = "registry.example.com/research/trainer:2.4.1-cuda12"
    labels = {
        "app.kubernetes.io/managed-by": "kdl",
        "app.kubernetes.io/part-of": "training",
        "job-name": f"train-{job:05}",
        "replica-type": "worker",
        "replica-index": str(index),
        "team": namespace,
    }
    owner = {
        "apiVersion": "training.kubedl.io/v1alpha1",
        "kind": "PyTorchJob",
        "name": f"train-{job:05}",
        "uid": f"5f3c6a1e-8d3b-4c55-9b0e-{job:012x}",
        "controller": True,
        "blockOwnerDeletion": True,
    }
    metadata = {
        "name": name,
        "namespace": namespace,
        "uid": f"0a7e4c52-17c9-4b0d-a5f6-{number:012x}",
        "annotations": {SEQUENCE: _SEQUENCE_MARK, SENT: _SENT_MARK},
        "resourceVersion": _VERSION_MARK,
        "creationTimestamp": "2026-01-31T08:15:00Z",
        "labels": labels,
        "ownerReferences": [owner],
        "managedFields": [_managed("kdl", _SPEC_FIELDS, ""), _managed("kubelet", _STATUS_FIELDS, "status")],
    }
    host, address = f"10.0.{number % 250}.4", f"10.64.{number // 250 % 250}.{number % 250}"
    status = {
        "phase": "Running",
        "conditions": [_condition(type_) for type_ in ("PodReadyToStartContainers", "Initialized", "Ready")]
        + [_condition(type_) for type_ in ("ContainersReady", "PodScheduled")],
        "hostIP": host,
        "hostIPs": [{"ip": host}],
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": "2026-01-31T08:15:01Z",
        "containerStatuses": [_container_status("trainer", image, number)],
        "qosClass": "Burstable",
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": _spec(job, index, image),
        "status": status,
    }


def _spec(job: int, index: int, image: str) -> dict[str, Any]:
    address = f"train-{job:05}-worker-0.team-{job % NAMESPACES:02}.svc"
    environment = {
        "MASTER_ADDR": address,
        "MASTER_PORT": "23456",
        "WORLD_SIZE": str(PODS_A_JOB),
        "RANK": str(index),
        "PYTHONUNBUFFERED": "1",
        "NCCL_DEBUG": "INFO",
    }
    token = {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}}
    authority = {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}}
    trainer = {
        "name": "trainer",
        "image": image,
        "command": ["python", "/workspace/train.py"],
        "args": ["--epochs=90", "--batch-size=256", f"--output=/checkpoints/train-{job:05}"],
        "ports": [{"name": "rendezvous", "containerPort": 23456, "protocol": "TCP"}],
        "env": [{"name": name, "value": value} for name, value in environment.items()],
        "resources": {
            "limits": {"cpu": "8", "memory": "64Gi", "nvidia.com/gpu": "1"},
            "requests": {"cpu": "4", "memory": "32Gi", "nvidia.com/gpu": "1"},
        },
        "volumeMounts": [
            {"name": "checkpoints", "mountPath": "/checkpoints"},
            {
                "name": "kube-api-access",
                "readOnly": True,
                "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
            },
        ],
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "IfNotPresent",
    }
    return {
        "volumes": [
            {"name": "checkpoints", "persistentVolumeClaim": {"claimName": "checkpoints"}},
            {"name": "kube-api-access", "projected": {"sources": [token, authority], "defaultMode": 420}},
        ],
        "containers": [trainer],
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "serviceAccountName": "default",
        "nodeName": f"gpu-node-{job % 200:03}",
        "securityContext": {"runAsUser": 1000, "fsGroup": 1000},
        "schedulerName": "default-scheduler",
        "tolerations": [_toleration("not-ready"), _toleration("unreachable")],
        "priority": 0,
        "enableServiceLinks": True,
        "preemptionPolicy": "PreemptLowerPriority",
    }


def _toleration(key: str) -> dict[str, Any]:
    return {
        "key": f"node.kubernetes.io/{key}",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": 300,
    }


def _condition(type_: str) -> dict[str, Any]:
    return {"type": type_, "status": "True", "lastProbeTime": None, "lastTransitionTime": "2026-01-31T08:15:04Z"}


def _container_status(name: str, image: str, number: int) -> dict[str, Any]:
    return {
        "name": name,
        "state": {"running": {"startedAt": "2026-01-31T08:15:03Z"}},
        "lastState": {},
        "ready": True,
        "restartCount": 0,
        "image": image,
        "imageID": f"registry.example.com/research/trainer@sha256:{0x9C3F5E21:064x}",
        "containerID": f"containerd://{number:064x}",
        "started": True,
    }


_METADATA_FIELDS: dict[str, Any] = {
    "f:metadata": {
        "f:labels": {".": {}, "f:job-name": {}, "f:replica-type": {}, "f:replica-index": {}},
        "f:ownerReferences": {".": {}},
    }
}
_SPEC_FIELDS = {
    **_METADATA_FIELDS,
    "f:spec": {
        "f:containers": {'k:{"name":"trainer"}': {".": {}, "f:args": {}, "f:command": {}, "f:env": {}, "f:image": {}}},
        "f:restartPolicy": {},
        "f:volumes": {},
    },
}
_STATUS_FIELDS: dict[str, Any] = {
    "f:status": {
        "f:conditions": {'k:{"type":"Ready"}': {".": {}, "f:lastTransitionTime": {}, "f:status": {}, "f:type": {}}},
        "f:containerStatuses": {},
        "f:hostIP": {},
        "f:phase": {},
        "f:podIP": {},
        "f:startTime": {},
    }
}


def _managed(manager: str, fields: dict[str, Any], subresource: str) -> dict[str, Any]:
    entry = {
        "manager": manager,
        "operation": "Update",
        "apiVersion": "v1",
        "time": "2026-01-31T08:15:00Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }
    return {**entry, "subresource": subresource} if subresource else entry
