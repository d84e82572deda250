"""Names of kinds and objects, and the paths that they have."""

import pytest

from kdl_runtime.types import GroupVersionKind, ObjectKey, Request, Resource, Result, parse_api_version

PODS = Resource("", "v1", "Pod", "pods")
NODES = Resource("", "v1", "Node", "nodes", namespaced=False)
JOBS = Resource("batch", "v1", "Job", "jobs")


@pytest.mark.parametrize(
    ("resource", "arguments", "path"),
    [
        (PODS, (), "/api/v1/pods"),
        (PODS, ("n",), "/api/v1/namespaces/n/pods"),
        (PODS, ("n", "a"), "/api/v1/namespaces/n/pods/a"),
        (PODS, ("n", "a", "status"), "/api/v1/namespaces/n/pods/a/status"),
        (PODS, ("n", None, "status"), "/api/v1/namespaces/n/pods"),
        (NODES, ("ignored", "a"), "/api/v1/nodes/a"),
        (JOBS, (), "/apis/batch/v1/jobs"),
        (JOBS, ("n", "a"), "/apis/batch/v1/namespaces/n/jobs/a"),
    ],
)
def test_paths(resource: Resource, arguments: tuple[str | None, ...], path: str) -> None:
    assert resource.path(*arguments) == path


@pytest.mark.parametrize(
    ("resource", "api_version", "group_resource"), [(PODS, "v1", "pods"), (JOBS, "batch/v1", "jobs.batch")]
)
def test_identity(resource: Resource, api_version: str, group_resource: str) -> None:
    assert resource.api_version == api_version
    assert resource.group_resource == group_resource
    assert resource.gvk == GroupVersionKind(*parse_api_version(api_version), resource.kind)
    assert resource.gvk.api_version == api_version


def test_keys_print_as_kubectl_writes_them() -> None:
    assert str(ObjectKey("n", "a")) == "n/a"
    assert str(ObjectKey("", "a")) == "a"
    assert Request("n", "a") == ObjectKey("n", "a")


def test_a_result_asks_for_nothing_by_default() -> None:
    assert (Result().requeue_after, Result().priority) == (None, None)
