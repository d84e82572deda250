"""A test's own namespace, and what it does with it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from e2e.api import Api
from e2e.cluster import Cluster
from e2e.manifests import Kind
from e2e.pod_history import PodHistory
from e2e.programs import EXIT_CODE, RUN_SECONDS, end_script
from e2e.running_job import RunningJob
from e2e.waiting import until
from kdl_runtime.client.client import Patch, PatchType
from kdl_runtime.errors import NotFound
from kdl_runtime.resources.registry import CONFIGMAPS, EVENTS, NODES, PODS, SERVICE_ACCOUNTS, SERVICES
from kdl_runtime.types import ObjectKey, Resource
from kdl_testing.envtest.fake_nodes import LABEL

Object = dict[str, Any]


@dataclass
class Namespace:
    """``jobs`` are those that the test has submitted, for the report of a failure."""

    cluster: Cluster
    api: Api
    name: str
    history: PodHistory
    jobs: list[RunningJob] = field(default_factory=list)

    def ready(self) -> None:
        """Waits until pods are admitted, which needs the service account that a controller makes."""
        key = ObjectKey(self.name, "default")

        def exists() -> bool:
            try:
                self.api(lambda client: client.get(SERVICE_ACCOUNTS, key))
            except NotFound:
                return False
            return True

        until("the default service account", exists)

    def create(self, resource: Resource, obj: Mapping[str, Any]) -> Object:
        body = {**obj, "metadata": {**obj["metadata"], "namespace": self.name}}
        return self.api(lambda client: client.create(resource, body))

    def submit(self, manifest: Mapping[str, Any]) -> RunningJob:
        """Creates a job."""
        kind = Kind(manifest["kind"], manifest["apiVersion"])
        created = self.create(kind.resource, manifest)
        job = RunningJob(self.api, kind, ObjectKey(self.name, created["metadata"]["name"]), created["metadata"]["uid"])
        self.jobs.append(job)
        return job

    def create_program(self, name: str, **files: str) -> None:
        """A ConfigMap for pods to mount."""
        self.create(CONFIGMAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": files})

    def objects(self, resource: Resource) -> list[Object]:
        return self.api(lambda client: client.list(resource, self.name))

    def pods(self) -> list[Object]:
        return self.objects(PODS)

    def pod_names(self) -> list[str]:
        return sorted(pod["metadata"]["name"] for pod in self.pods())

    def services(self) -> list[Object]:
        return self.objects(SERVICES)

    def events(self) -> list[Object]:
        return self.objects(EVENTS)

    def pod(self, name: str) -> Object:
        key = ObjectKey(self.name, name)
        return self.api(lambda client: client.get(PODS, key))

    def until_pod(self, name: str, phase: str = "Running", *, seconds: float = 60) -> Object:
        """The pod of this name once it is in a phase."""

        def probe() -> Object:
            try:
                return self.pod(name)
            except NotFound:
                return {}

        return until(
            f"phase {phase} of pod {name}",
            probe,
            lambda pod: pod.get("status", {}).get("phase") == phase,
            seconds=seconds,
        )

    def delete_pod(self, name: str) -> None:
        key = ObjectKey(self.name, name)
        self.api(lambda client: client.delete(PODS, key))

    def end(self, name: str, code: int = 0) -> None:
        """Lets the program of a pod end, by itself and with this code."""
        if self.cluster.real_pods and not self._is_fake(name):
            self.kubectl("exec", name, "--", "sh", "-c", end_script(code))
            return
        patch = Patch(PatchType.MERGE, {"metadata": {"annotations": {RUN_SECONDS: "0", EXIT_CODE: str(code)}}})
        key = ObjectKey(self.name, name)
        self.api(lambda client: client.patch(PODS, key, patch))

    def kubectl(self, *args: str) -> str:
        return self.cluster.kubectl(f"--namespace={self.name}", *args)

    def _is_fake(self, name: str) -> bool:
        return self.pod(name)["spec"].get("nodeName") in fake_nodes(self.api)


def fake_nodes(api: Api) -> set[str]:
    nodes = api(lambda client: client.list(NODES))
    return {node["metadata"]["name"] for node in nodes if is_fake(node)}


def is_fake(node: Mapping[str, Any]) -> bool:
    key, value = LABEL
    return str(node["metadata"].get("labels", {}).get(key, "")) == value
