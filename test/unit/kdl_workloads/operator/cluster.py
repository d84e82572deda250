"""An operator and an API server in one event loop on virtual time; the test is scheduler and kubelet."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kdl_local.apiserver.request import Request, Response
from kdl_local.apiserver.server import ApiServer
from kdl_runtime.client.client import Client
from kdl_runtime.clock import LoopClock
from kdl_runtime.codec.times import format_time
from kdl_runtime.errors import NotFound
from kdl_runtime.manager.manager import Manager, ManagerOptions
from kdl_runtime.resources.registry import CRDS, EVENTS, PODS, SERVICES
from kdl_runtime.types import Resource
from kdl_testing.direct import DirectTransport
from kdl_testing.virtual_time import run
from kdl_workloads.crds import crd
from kdl_workloads.framework import KUBEDL, KUBEFLOW
from kdl_workloads.frameworks.pytorch import PyTorch
from kdl_workloads.frameworks.registry import frameworks
from kdl_workloads.frameworks.xgboost import XGBoost
from kdl_workloads.operator import OperatorOptions, build

NAMESPACE = "default"
START = datetime(2026, 1, 1, tzinfo=UTC)
RESOURCES = [of.resource(version) for of in (PyTorch(), XGBoost()) for version in (KUBEDL, KUBEFLOW)]
PYTORCH_JOBS = PyTorch().resource(KUBEFLOW)
XGBOOST_JOBS = XGBoost().resource(KUBEDL)


def on_virtual_time(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    def wrapper() -> None:
        run(test())

    wrapper.__name__ = test.__name__
    wrapper.__doc__ = test.__doc__
    return wrapper


@dataclass
class Gateway:
    """What all operators send their requests to; a test may put a function of its own in the place of the server."""

    handle: Callable[[Request], Awaitable[Response]]


class Cluster:
    """The API server with the CRDs of ``served``, and hands that do what the rest of a cluster does. ``rules``: whether
    the CRDs have validation rules; those of others have none."""

    def __init__(self, *served: Resource, rules: bool = True) -> None:
        self.served = served or (PYTORCH_JOBS,)
        self.clock = LoopClock(START)
        self.server = ApiServer(self.clock, random.Random(1))
        self.gateway = Gateway(self.server.handle)
        self.direct = self.server.direct
        for resource in self.served:
            definition = crd(frameworks()[resource.kind], resource.api_version)
            self.direct.create(CRDS, definition if rules else _without_rules(definition))

    @asynccontextmanager
    async def operator(self, *, late_kinds: bool = False) -> AsyncIterator["Operator"]:
        """A new operator, as after a restart. Without ``late_kinds`` it asks for nothing that its jobs do not need."""
        running = Operator(self, late_kinds=late_kinds)
        task = asyncio.create_task(running.manager.start())
        try:
            await running.manager.wait_started()
            yield running
        finally:
            running.manager.stop()
            await task

    # ---- what is there

    def pods(self) -> dict[str, dict[str, Any]]:
        return {pod["metadata"]["name"]: pod for pod in self.direct.list(PODS, NAMESPACE)}

    def services(self) -> list[str]:
        return [service["metadata"]["name"] for service in self.direct.list(SERVICES, NAMESPACE)]

    def events(self) -> list[str]:
        return [event["reason"] for event in self.direct.list(EVENTS, NAMESPACE)]

    def status(self, resource: Resource, name: str = "job") -> dict[str, Any]:
        status: dict[str, Any] = self.direct.get(resource, NAMESPACE, name).get("status") or {}
        return status

    def conditions(self, resource: Resource, name: str = "job") -> list[str]:
        return [
            f"{condition['type']}={condition['status']}"
            for condition in self.status(resource, name).get("conditions", ())
        ]

    # ---- what others do

    def run(self, name: str) -> None:
        pod = self.direct.get(PODS, NAMESPACE, name)
        if not pod["spec"].get("nodeName"):
            self.direct.bind(pod, "node-1", self.clock.now())
        now = format_time(self.clock.now())
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": now}
        self._set_status(name, {"phase": "Running", "conditions": [ready], **self._container({"running": {}})})

    def run_all(self) -> None:
        for name, pod in self.pods().items():
            if pod["status"]["phase"] == "Pending":
                self.run(name)

    def end(self, name: str, exit_code: int = 0) -> None:
        terminated = {
            "exitCode": exit_code,
            "finishedAt": format_time(self.clock.now()),
            "startedAt": format_time(self.clock.now()),
            "reason": "Error" if exit_code else "Completed",
        }
        phase = "Failed" if exit_code else "Succeeded"
        self._set_status(name, {"phase": phase, **self._container({"terminated": terminated})})

    def kill(self, name: str) -> None:
        """The kubelet confirms that a pod that was deleted has stopped."""
        self.end(name, 143)
        try:
            self.direct.delete(PODS, NAMESPACE, name, grace_period_seconds=0)
        except NotFound:
            return

    def _container(self, state: dict[str, Any]) -> dict[str, Any]:
        status = {"name": "pytorch", "image": "train", "imageID": "", "ready": True, "restartCount": 0, "state": state}
        return {"containerStatuses": [status]}

    def _set_status(self, name: str, status: dict[str, Any]) -> None:
        self.direct.patch(PODS, NAMESPACE, name, {"status": status}, "status")


class Operator:
    def __init__(self, cluster: Cluster, *, build_controllers: bool = True, late_kinds: bool = False) -> None:
        self.cluster = cluster
        self.clock = cluster.clock
        self.transport = DirectTransport(cluster.gateway)
        options = ManagerOptions(metrics_bind_address="0", health_probe_bind_address="0")
        self.manager = Manager(Client(self.transport, self.clock), options, self.clock, random.Random(2))
        wanted = OperatorOptions(late_kinds=late_kinds)
        self.controllers = build(self.manager, wanted, cluster.served) if build_controllers else []

    async def until(self, holds: Callable[[], bool], seconds: float = 60) -> None:
        """Wait for a condition on virtual time."""
        deadline = self.clock.monotonic() + seconds
        while not holds():
            assert self.clock.monotonic() < deadline, "it did not come to pass"
            await asyncio.sleep(0.05)

    async def run_job(self) -> None:
        """A new PyTorchJob whose three pods run, and nothing under way any more."""
        self.cluster.direct.create(PYTORCH_JOBS, pytorch_job())
        await self.until(lambda: len(self.cluster.pods()) == 3)
        self.cluster.run_all()
        await self.settle()

    async def settle(self) -> None:
        """Long enough for everything that is under way, and for nothing that waits for a time."""
        await asyncio.sleep(2)


def _without_rules(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {key: _without_rules(value) for key, value in schema.items() if key != "x-kubernetes-validations"}
    return [_without_rules(item) for item in schema] if isinstance(schema, list) else schema


def pytorch_job(name: str = "job", workers: int = 2, policy: str = "OnFailure", **run_policy: Any) -> dict[str, Any]:
    template = {"spec": {"containers": [{"name": "pytorch", "image": "train:1", "command": ["train"]}]}}
    return {
        "apiVersion": KUBEFLOW,
        "kind": "PyTorchJob",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "runPolicy": run_policy,
            "pytorchReplicaSpecs": {
                "Master": {"replicas": 1, "restartPolicy": policy, "template": template},
                "Worker": {"replicas": workers, "restartPolicy": policy, "template": template},
            },
        },
    }


def xgboost_job(name: str = "job") -> dict[str, Any]:
    template = {"spec": {"containers": [{"name": "xgboostjob", "image": "train:1"}]}}
    specs = {role: {"replicas": 1, "template": template} for role in ("Master", "Worker")}
    return {
        "apiVersion": KUBEDL,
        "kind": "XGBoostJob",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"xgbReplicaSpecs": specs},
    }
