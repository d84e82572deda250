"""Jobs whose number of workers may change, and what is there of them."""

from typing import Any

from envtest.controllers.world import World
from kdl_runtime import Resource
from kdl_runtime.client.client import ListOptions
from kdl_runtime.resources.registry import PODS
from kdl_workloads.framework import KUBEFLOW
from kdl_workloads.frameworks.registry import frameworks

Object = dict[str, Any]


def resource(kind: str) -> Resource:
    return frameworks()[kind].resource(KUBEFLOW)


def job(kind: str, workers: int, spec: Object | None = None, **replica: Any) -> Object:
    """The ``spec`` of a job whose pods run until somebody ends them."""
    framework = frameworks()[kind]
    container = {"name": framework.conventions[KUBEFLOW].container, "image": "train:1"}
    worker = {"replicas": workers, "template": {"spec": {"containers": [container]}}, **replica}
    return {framework.replica_specs_field: {"Worker": worker}, **(spec or {})}


async def pods(world: World, selector: str = "") -> dict[str, Object]:
    """Those that nobody has deleted, by name."""
    found = await world.user.list(PODS, world.namespace, ListOptions(label_selector=selector))
    return {pod["metadata"]["name"]: pod for pod in found if "deletionTimestamp" not in pod["metadata"]}


async def running(world: World) -> list[str]:
    return [name for name, pod in (await pods(world)).items() if pod["status"]["phase"] == "Running"]
