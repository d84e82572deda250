"""What is written down when a test fails: the jobs, pods and events of its namespace, the nodes, the operator's log."""

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from e2e.cluster import OPERATOR, OPERATOR_NAMESPACE, Cluster
from e2e.namespace import Namespace
from kdl_runtime.codec import yaml
from kdl_runtime.errors import KdlError

OPERATOR_LINES = 200
POD_LINES = 40


def write(namespace: Namespace, path: Path) -> None:
    """Never fails: what cannot be found out is said instead."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sections = (
        ("pods there ever were", lambda: _pod_lines(namespace)),
        ("jobs", lambda: _jobs(namespace)),
        ("events", lambda: namespace.kubectl("get", "events", "--sort-by=.metadata.creationTimestamp")),
        ("pods", lambda: namespace.kubectl("describe", "pods")),
        ("logs", lambda: _logs(namespace)),
        ("services", lambda: namespace.kubectl("get", "services", "-o", "wide")),
        ("nodes", lambda: namespace.cluster.kubectl("get", "nodes", "-o", "wide")),
        ("the operator's log", lambda: operator_log(namespace.cluster)),
    )
    with path.open("w") as file:
        for title, section in sections:
            file.write(f"==== {title}\n{_told(section)}\n\n")


def operator_log(cluster: Cluster) -> str:
    """The last lines of what the operator has written, also before it was last restarted."""
    with contextlib.suppress(Exception):
        return str(cluster.orders("operator-log", lines=OPERATOR_LINES))
    pods = ("--namespace", OPERATOR_NAMESPACE, "logs", f"deployment/{OPERATOR}", f"--tail={OPERATOR_LINES}")
    before = cluster.try_kubectl(*pods, "--previous")
    return before.stdout + cluster.kubectl(*pods)


def _told(section: Callable[[], str]) -> str:
    try:
        return section()
    except (KdlError, AssertionError, OSError, TimeoutError) as error:
        return f"not to be had: {error}"


def _logs(namespace: Namespace) -> str:
    """The end of what every pod has written."""
    tail = ("--all-containers", f"--tail={POD_LINES}")
    logs = ((name, _told(partial(namespace.kubectl, "logs", name, *tail))) for name in namespace.pod_names())
    return "\n".join(f"-- {name}\n{log}" for name, log in logs)


def _jobs(namespace: Namespace) -> str:
    return "\n---\n".join(_told(lambda job=job: _dumped(job.object())) for job in namespace.jobs)  # type: ignore[misc]


def _dumped(obj: dict[str, Any]) -> str:
    obj["metadata"].pop("managedFields", None)
    return yaml.encode(obj)


def _pod_lines(namespace: Namespace) -> str:
    return "\n".join(_lines(namespace))


def _lines(namespace: Namespace) -> Iterator[str]:
    for pod in namespace.history.all():
        metadata, status = pod["metadata"], pod.get("status", {})
        states = [container.get("state") for container in status.get("containerStatuses") or ()]
        node, deleted = pod["spec"].get("nodeName", "-"), metadata.get("deletionTimestamp", "-")
        yield f"{metadata['name']} {metadata['uid']} node={node} {status.get('phase')} deleted={deleted} {states}"
