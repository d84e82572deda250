"""Objects that the tests of the command line look at."""

import asyncio
import collections
import functools
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from kdl_cli.installation import install
from kdl_cli.options import Connection
from kdl_cli.session import Session
from kdl_local.apiserver.faults import NoFaults, WatchFault
from kdl_local.apiserver.logs import LogOptions
from kdl_local.apiserver.request import Request
from kdl_local.apiserver.server import ApiServer
from kdl_runtime.client.client import Client, Patch, PatchType, WriteOptions
from kdl_runtime.clock import SystemClock
from kdl_runtime.resources.discovery import Discovery
from kdl_runtime.transport.config import ClusterConfig
from kdl_runtime.types import ObjectKey, Resource
from kdl_testing.direct import DirectTransport
from kdl_workloads.crds import all_crds

SERVER_FIELDS = ("uid", "resourceVersion", "creationTimestamp")
TEMPLATE = {"spec": {"containers": [{"name": "xgboostjob", "image": "kdl/python"}]}}
KUBEDL_XGBOOST = Resource("training.kubedl.io", "v1alpha1", "XGBoostJob", "xgboostjobs")
KUBEFLOW_XGBOOST = Resource("kubeflow.org", "v1", "XGBoostJob", "xgboostjobs")


def condition(type_: str, second: int, *, status: str = "True", reason: str = "", message: str = "") -> dict[str, str]:
    moment = f"2026-01-31T12:00:{second:02d}Z"
    return {
        "type": type_,
        "status": status,
        "reason": reason or f"Job{type_}",
        "message": message or f"the job is {type_.lower()}",
        "lastUpdateTime": moment,
        "lastTransitionTime": moment,
    }


def make_job(name: str = "digits", status: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "apiVersion": KUBEDL_XGBOOST.api_version,
        "kind": "XGBoostJob",
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": f"uid-{name}",
            "resourceVersion": "7",
            "creationTimestamp": "2026-01-31T12:00:00Z",
        },
        "spec": {
            "xgbReplicaSpecs": {
                "Master": {"replicas": 1, "template": TEMPLATE},
                "Worker": {"replicas": 2, "template": TEMPLATE},
            }
        },
        "status": status or {},
    }


def make_pod(role: str, index: int, phase: str = "Running", job: str = "digits") -> dict[str, Any]:
    labels = {
        "group-name": "training.kubedl.io",
        "job-name": job,
        "replica-type": role,
        "replica-index": str(index),
    }
    if role == "master":
        labels["job-role"] = "master"
    return {
        "metadata": {
            "name": f"{job}-{role}-{index}",
            "namespace": "default",
            "uid": f"uid-{role}-{index}",
            "creationTimestamp": "2026-01-31T12:00:01Z",
            "labels": labels,
        },
        "spec": {"containers": [{"name": "xgboostjob", "image": "kdl/python"}], "nodeName": "local"},
        "status": {"phase": phase, "podIP": "127.1.0.2"},
    }


@functools.cache
def job_crds() -> list[dict[str, Any]]:
    return [crd for crd in all_crds() if crd["spec"]["names"]["kind"] == "XGBoostJob"]


def kubeflow_job(name: str = "digits") -> dict[str, Any]:
    """The same job in the other API group, whose training container has another name."""
    job = make_job(name)
    template = {"spec": {"containers": [{"name": "xgboost", "image": "kdl/python"}]}}
    replicas = {role: {**spec, "template": template} for role, spec in job["spec"]["xgbReplicaSpecs"].items()}
    return {**job, "apiVersion": KUBEFLOW_XGBOOST.api_version, "spec": {"xgbReplicaSpecs": replicas}}


@pytest.fixture
def xgboost() -> Resource:
    return KUBEDL_XGBOOST


@pytest.fixture
def job() -> Callable[..., dict[str, Any]]:
    return make_job


@pytest.fixture
def pod() -> Callable[..., dict[str, Any]]:
    return make_pod


@pytest.fixture
def held() -> Callable[..., dict[str, str]]:
    """A condition that came that many seconds after the job was made."""
    return condition


class Logs:
    """A node's logs: lines by pod name, which end when ``end`` is set for a request that follows."""

    def __init__(self) -> None:
        self.lines: dict[str, list[str]] = {}
        self.previous: dict[str, list[str]] = {}
        self.asked = asyncio.Event()
        self.end = asyncio.Event()

    async def __call__(self, pod: Mapping[str, Any], options: LogOptions) -> AsyncGenerator[bytes, None]:
        self.asked.set()
        return self._read(pod["metadata"]["name"], options)

    async def _read(self, name: str, options: LogOptions) -> AsyncGenerator[bytes, None]:
        for line in (self.previous if options.previous else self.lines).get(name, []):
            yield f"{line}\n".encode()
        if options.follow:
            await self.end.wait()


class Watches(NoFaults):
    """Injects nothing, and tells when somebody watches the collection that is named."""

    def __init__(self) -> None:
        self.opened: dict[str, asyncio.Event] = collections.defaultdict(asyncio.Event)

    def watch(self, request: Request) -> WatchFault:
        self.opened[request.path.rpartition("/")[2]].set()
        return super().watch(request)


@dataclass(frozen=True)
class Cluster:
    """An API server in this process that serves the jobs' CRDs, and a session with it."""

    session: Session
    transport: DirectTransport
    logs: Logs
    watches: Watches
    xgboost: Resource = KUBEDL_XGBOOST
    kubeflow: Resource = KUBEFLOW_XGBOOST
    job = staticmethod(make_job)
    kubeflow_job = staticmethod(kubeflow_job)
    pod = staticmethod(make_pod)
    held = staticmethod(condition)

    async def watched(self, plural: str) -> None:
        """Until a command watches this collection."""
        async with asyncio.timeout(10):
            await self.watches.opened[plural].wait()

    async def create(self, resource: Resource, obj: Mapping[str, Any]) -> dict[str, Any]:
        """Make the object and set the status that it carries."""
        metadata = {key: value for key, value in obj["metadata"].items() if key not in SERVER_FIELDS}
        stored = await self.session.client.create(resource, {**obj, "metadata": metadata, "status": {}})
        if not obj.get("status"):
            return stored
        return await self.set_status(resource, stored["metadata"]["name"], obj["status"])

    async def set_status(self, resource: Resource, name: str, status: Mapping[str, Any]) -> dict[str, Any]:
        patch = Patch(PatchType.MERGE, {"status": status})
        return await self.session.client.patch(
            resource, ObjectKey("default", name), patch, WriteOptions(subresource="status")
        )


@pytest.fixture
async def cluster(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cluster]:
    """Commands that connect meanwhile are connected to this cluster."""
    clock = SystemClock()
    watches = Watches()
    server = ApiServer(clock, random.Random(7), faults=watches)
    logs = Logs()
    server.log_provider = logs
    transport = DirectTransport(server)
    client = Client(transport, clock)
    session = Session(
        client, ClusterConfig("https://cluster.invalid"), "default", clock, Discovery(client, clock, floor=0)
    )
    await install(session, job_crds())

    @asynccontextmanager
    async def connect(connection: Connection) -> AsyncIterator[Session]:
        yield replace(session, namespace=connection.namespace or "default")

    monkeypatch.setattr("kdl_cli.session.connect", connect)
    yield Cluster(session, transport, logs, watches)
    await transport.close()
