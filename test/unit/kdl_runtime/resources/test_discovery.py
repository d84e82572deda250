"""Discovery documents, aggregated and not, and a memory of them that notices new kinds."""

import asyncio
from typing import Any

import pytest

from kdl_runtime.codec.json import encode
from kdl_runtime.errors import ApiError, Forbidden, NotFound, ServiceUnavailable, TransportError
from kdl_runtime.resources.discovery import (
    REFRESH_FLOOR,
    Discovery,
    ServedResource,
    discover,
    parse_aggregated,
    parse_resource_list,
    served,
)
from kdl_runtime.resources.registry import NODES, PODS
from kdl_runtime.types import Resource

XGB = Resource("training.kubedl.io", "v1alpha1", "XGBoostJob", "xgboostjobs")

CORE_LIST = {
    "kind": "APIResourceList",
    "groupVersion": "v1",
    "resources": [
        {
            "name": "pods",
            "singularName": "pod",
            "kind": "Pod",
            "namespaced": True,
            "shortNames": ["po"],
            "categories": ["all"],
            "verbs": ["get", "list"],
        },
        {"name": "pods/log", "kind": "Pod", "namespaced": True},
        {"name": "pods/status", "kind": "Pod", "namespaced": True},
        {"name": "nodes", "singularName": "", "kind": "Node", "namespaced": False, "verbs": ["get"]},
    ],
}
XGB_LIST = {
    "groupVersion": "training.kubedl.io/v1alpha1",
    "resources": [{"name": "xgboostjobs", "kind": "XGBoostJob", "namespaced": True, "shortNames": ["xgb"]}],
}
PLAIN = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/api/v1": CORE_LIST,
    "/apis": {
        "kind": "APIGroupList",
        "groups": [{"name": "training.kubedl.io", "versions": [{"groupVersion": "training.kubedl.io/v1alpha1"}]}],
    },
    "/apis/training.kubedl.io/v1alpha1": XGB_LIST,
}


def aggregated(group: str, version: str, *resources: Any) -> dict[str, Any]:
    metadata = {"name": group} if group else {}
    items = [{"metadata": metadata, "versions": [{"version": version, "resources": list(resources)}]}]
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": items}


AGGREGATED_PODS = {
    "resource": "pods",
    "responseKind": {"group": "", "version": "v1", "kind": "Pod"},
    "scope": "Namespaced",
    "singularResource": "pod",
    "shortNames": ["po"],
    "categories": ["all"],
    "verbs": ["get", "list"],
    "subresources": [{"subresource": "log"}, {"subresource": "status"}],
}
AGGREGATED_NODES = {
    "resource": "nodes",
    "responseKind": {"kind": "Node"},
    "scope": "Cluster",
    "singularResource": "",
    "verbs": ["get"],
}
SERVED_PODS = ServedResource(PODS, "pod", ("po",), ("all",), ("get", "list"), frozenset({"log", "status"}))
SERVED_NODES = ServedResource(NODES, "node", verbs=("get",))


class Documents:
    """A server of discovery documents."""

    def __init__(self, documents: dict[str, Any]) -> None:
        self.documents = documents
        self.asked: list[str] = []

    async def get_path(self, path: str, query: Any = (), *, accept: str = "") -> bytes:
        self.asked.append(path)
        found = self.documents.get(path, NotFound(path))
        if isinstance(found, ApiError):
            raise found
        return found if isinstance(found, bytes) else encode(found)


def test_an_aggregated_document() -> None:
    without_kind = {"resource": "odd", "scope": "Cluster"}
    document = aggregated("", "v1", AGGREGATED_PODS, AGGREGATED_NODES, without_kind)
    assert parse_aggregated(document) == [SERVED_PODS, SERVED_NODES]


def test_a_plain_document() -> None:
    assert parse_resource_list(CORE_LIST) == [SERVED_PODS, SERVED_NODES]


@pytest.mark.parametrize("document", [{}, {"items": None}, {"items": [{"versions": None}]}, {"resources": None}])
def test_empty_documents(document: Any) -> None:
    assert parse_aggregated(document) == []
    assert parse_resource_list({"groupVersion": "v1"} | document) == []


async def test_two_requests_do_if_the_server_aggregates() -> None:
    xgb = {"resource": "xgboostjobs", "responseKind": {"kind": "XGBoostJob"}, "scope": "Namespaced"}
    server = Documents(
        {
            "/api": aggregated("", "v1", AGGREGATED_PODS),
            "/apis": aggregated("training.kubedl.io", "v1alpha1", xgb),
        }
    )
    assert await served(server) == {PODS, XGB}
    assert server.asked == ["/api", "/apis"]


async def test_a_server_that_does_not_aggregate_is_asked_for_each_version() -> None:
    server = Documents(PLAIN)
    assert await served(server) == {PODS, NODES, XGB}
    assert sorted(server.asked) == sorted(PLAIN)


@pytest.mark.parametrize("error", [NotFound("gone"), ServiceUnavailable("its server is away")])
async def test_a_group_that_is_away_does_not_hide_the_others(error: ApiError) -> None:
    server = Documents(PLAIN | {"/apis/training.kubedl.io/v1alpha1": error})
    assert {item.resource for item in await discover(server)} == {PODS, NODES}


@pytest.mark.parametrize(
    ("documents", "error"),
    [
        ({"/api": Forbidden("no")}, Forbidden),
        (PLAIN | {"/api/v1": Forbidden("no")}, Forbidden),
        (PLAIN | {"/api": b"<html>"}, TransportError),
        (PLAIN | {"/apis": b"[]"}, TransportError),
    ],
)
async def test_what_cannot_be_understood_is_an_error(documents: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        await discover(Documents(documents))


@pytest.mark.parametrize(
    ("name", "answers"),
    [
        ("xgboostjobs", True),
        ("xgboostjob", True),
        ("xgb", True),
        ("xgboostjobs.training.kubedl.io", True),
        ("xgb.training.kubedl.io", True),
        ("xgboostjobs.v1alpha1.training.kubedl.io", True),
        ("xgboostjobs.kubeflow.org", False),
        ("jobs", False),
        ("", False),
    ],
)
def test_names(name: str, answers: bool) -> None:
    item = ServedResource(XGB, "xgboostjob", ("xgb",))
    assert item.answers_to(name) is answers


@pytest.mark.parametrize("name", ["po", "pods", "pod", "pods.v1"])
def test_names_of_core_kinds(name: str) -> None:
    assert SERVED_PODS.answers_to(name)


async def test_the_server_is_asked_once_for_what_is_there(manual_clock: Any) -> None:
    server = Documents(PLAIN)
    discovery = Discovery(server, manual_clock)
    found = await asyncio.gather(*(discovery.by_kind("", "Pod") for _ in range(5)))
    assert set(found) == {PODS}
    assert (await discovery.by_name("XGB")) == ServedResource(XGB, "xgboostjob", ("xgb",))
    assert len(server.asked) == len(PLAIN)


async def test_a_kind_that_is_installed_later_is_found_after_the_floor(manual_clock: Any) -> None:
    server = Documents(PLAIN | {"/apis": {"kind": "APIGroupList", "groups": []}})
    discovery = Discovery(server, manual_clock)
    assert await discovery.by_kind(XGB.group, XGB.kind) is None
    server.documents = dict(PLAIN)
    asked = len(server.asked)
    assert await discovery.by_kind(XGB.group, XGB.kind) is None
    assert await discovery.by_name("xgb") is None
    assert len(server.asked) == asked
    manual_clock.advance(REFRESH_FLOOR)
    assert await discovery.by_kind(XGB.group, XGB.kind) == XGB
    assert await discovery.by_kind(XGB.group, XGB.kind, "v1alpha1") == XGB
    assert await discovery.by_kind(XGB.group, XGB.kind, "v2") is None


async def test_a_failed_look_keeps_what_was_known(manual_clock: Any) -> None:
    server = Documents(dict(PLAIN))
    discovery = Discovery(server, manual_clock)
    await discovery.refresh()
    server.documents = {"/api": ServiceUnavailable("away")}
    manual_clock.advance(REFRESH_FLOOR)
    with pytest.raises(ServiceUnavailable):
        await discovery.refresh()
    assert await discovery.by_kind("", "Pod") == PODS
