"""What a pod needs in order to start commands in others: the sidecar, its volumes, and where containers mount them."""

from typing import Any

from kdl_rsh.layout import AGENT_COMMAND, AGENT_CONTAINER, EXCHANGE_DIRECTORY, EXCHANGE_VOLUME, TOKEN_VOLUME

SERVICE_ACCOUNT_DIRECTORY = "/var/run/secrets/kubernetes.io/serviceaccount"
TOKEN_SECONDS = 3600
CLUSTER_ROLE = "kdl-mpi-launcher"
"""What the agent may do in its namespace. It is installed with the operator."""
EXCHANGE_MOUNT = {"name": EXCHANGE_VOLUME, "mountPath": EXCHANGE_DIRECTORY}
"""For every container that starts commands."""


def sidecar(image: str, pods: str, container: str = "") -> dict[str, Any]:
    """The agent, as the first init container; it runs as long as the pod (KEP-753, Kubernetes 1.29). ``pods``: what the
    names of the other pods begin with, before their number; ``container``: of these, empty is their first. It alone has
    a token of the pod's service account."""
    return {
        "name": AGENT_CONTAINER,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "restartPolicy": "Always",
        "command": [*AGENT_COMMAND, "--pods", pods, *(["--container", container] if container else [])],
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [
            EXCHANGE_MOUNT,
            {"name": TOKEN_VOLUME, "mountPath": SERVICE_ACCOUNT_DIRECTORY, "readOnly": True},
        ],
    }


def volumes() -> list[dict[str, Any]]:
    token = {"serviceAccountToken": {"path": "token", "expirationSeconds": TOKEN_SECONDS}}
    authority = {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}}
    field = {"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}
    sources = [token, authority, {"downwardAPI": {"items": [field]}}]
    return [{"name": EXCHANGE_VOLUME, "emptyDir": {}}, {"name": TOKEN_VOLUME, "projected": {"sources": sources}}]


def binding(name: str, account: str, namespace: str) -> dict[str, Any]:
    """A RoleBinding that lets a service account of a namespace do what the agent does there."""
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": CLUSTER_ROLE}
    subject = {"kind": "ServiceAccount", "name": account, "namespace": namespace}
    return {"metadata": {"name": name}, "roleRef": role, "subjects": [subject]}
