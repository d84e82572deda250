"""Namespaces, and what their deletion means for what is in them."""

from collections.abc import AsyncIterator

import pytest

from conformance.api import MERGE, Api, Object, config_map
from conformance.conftest import unique

NAMESPACES = "/api/v1/namespaces"


async def test_create(api: Api) -> None:
    name = unique("ns")
    made = await api.ok("POST", NAMESPACES, {"metadata": {"name": name, "labels": {"x": "y"}}})
    assert made["metadata"]["labels"] == {"kubernetes.io/metadata.name": name, "x": "y"}
    assert made["spec"] == {"finalizers": ["kubernetes"]}
    assert made["status"] == {"phase": "Active"}
    await api.ok("DELETE", f"{NAMESPACES}/{name}")


async def test_generate_name(api: Api) -> None:
    made = await api.ok("POST", NAMESPACES, {"metadata": {"generateName": "made-"}})
    name = made["metadata"]["name"]
    assert made["metadata"]["labels"]["kubernetes.io/metadata.name"] == name
    await api.ok("DELETE", f"{NAMESPACES}/{name}")


async def test_a_name_is_a_label(api: Api) -> None:
    answer = await api.refused(422, "Invalid", "POST", NAMESPACES, {"metadata": {"name": "a.b"}})
    assert answer.causes == [("metadata.name", "FieldValueInvalid")]


async def test_the_label_of_the_name_stays(api: Api) -> None:
    patch = {"metadata": {"labels": {"kubernetes.io/metadata.name": None, "x": "y"}}}
    found = await api.ok("PATCH", f"{NAMESPACES}/{api.namespace}", patch, content_type=MERGE)
    assert found["metadata"]["labels"] == {"kubernetes.io/metadata.name": api.namespace, "x": "y"}


async def test_the_names_of_the_system(api: Api) -> None:
    found = await api.ok("GET", NAMESPACES)
    names = {item["metadata"]["name"] for item in found["items"]}
    assert {"default", "kube-system", "kube-public", "kube-node-lease"} <= names


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
async def test_some_are_for_ever(api: Api, name: str) -> None:
    answer = await api.refused(403, "Forbidden", "DELETE", f"{NAMESPACES}/{name}")
    assert answer.message == f'namespaces "{name}" is forbidden: this namespace may not be deleted'
    assert answer.object["details"] == {"name": name, "kind": "namespaces"}


async def test_there_is_no_delete_of_all(api: Api) -> None:
    await api.refused(405, "MethodNotAllowed", "DELETE", NAMESPACES, labelSelector="none=such")


async def test_finalizers_are_for_their_subresource(api: Api) -> None:
    patch: Object = {"spec": {"finalizers": []}}
    found = await api.ok("PATCH", f"{NAMESPACES}/{api.namespace}", patch, content_type=MERGE)
    assert found["spec"] == {"finalizers": ["kubernetes"]}


@pytest.fixture
async def terminating(api: Api) -> AsyncIterator[Api]:
    """A namespace that is being deleted and held by an object in it."""
    obj: Object = config_map("held")
    obj["metadata"]["finalizers"] = ["example.com/hold"]
    await api.create("configmaps", obj)
    await api.ok("DELETE", f"{NAMESPACES}/{api.namespace}")
    yield api
    await api("PATCH", api.path("configmaps", "held"), {"metadata": {"finalizers": None}}, content_type=MERGE)


async def test_a_namespace_that_is_being_deleted(terminating: Api) -> None:
    found = await terminating.ok("GET", f"{NAMESPACES}/{terminating.namespace}")
    assert found["status"]["phase"] == "Terminating"
    assert "deletionTimestamp" in found["metadata"]


async def test_nothing_new_comes_into_it(terminating: Api) -> None:
    name, path = terminating.namespace, terminating.path("configmaps")
    answer = await terminating.refused(403, "Forbidden", "POST", path, config_map("late"))
    why = f"unable to create new content in namespace {name} because it is being terminated"
    assert answer.message == f'configmaps "late" is forbidden: {why}'
    assert answer.object["details"]["causes"] == [
        {
            "reason": "NamespaceTerminating",
            "message": f"namespace {name} is being terminated",
            "field": "metadata.namespace",
        }
    ]


async def test_what_is_in_it_can_be_changed(terminating: Api) -> None:
    patch = {"data": {"x": "1"}}
    found = await terminating.ok("PATCH", terminating.path("configmaps", "held"), patch, content_type=MERGE)
    assert found["data"] == {"x": "1"}


@pytest.mark.controllers
async def test_everything_in_it_goes(terminating: Api, widget_group: str) -> None:
    path = terminating.path("configmaps", "held")
    await terminating.until(path, lambda answer: "deletionTimestamp" in answer.object["metadata"])
    await terminating.ok("GET", f"{NAMESPACES}/{terminating.namespace}")
    await terminating.ok("PATCH", path, {"metadata": {"finalizers": None}}, content_type=MERGE)
    await terminating.gone(path)
    await terminating.gone(f"{NAMESPACES}/{terminating.namespace}")
