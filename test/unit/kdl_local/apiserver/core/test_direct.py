import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from kdl_local.apiserver.direct import Direct
from kdl_local.apiserver.server import ApiServer
from kdl_runtime.errors import AlreadyExists, BadRequest, Conflict, Expired, Invalid, NotFound
from kdl_runtime.types import Resource
from unit.kdl_local.apiserver.core.rig import START, Api, config_map, pod

CONFIG_MAPS = Resource("", "v1", "ConfigMap", "configmaps")
PODS = Resource("", "v1", "Pod", "pods")
NAMESPACES = Resource("", "v1", "Namespace", "namespaces", namespaced=False)


@pytest.fixture
def direct(server: ApiServer) -> Direct:
    return server.direct


def _config_map(name: str, **data: str) -> dict[str, Any]:
    body = config_map(name, None, **data)
    body["metadata"]["namespace"] = "default"
    return body


def _pod(name: str) -> dict[str, Any]:
    body = pod(name)
    body["metadata"]["namespace"] = "default"
    return body


def test_the_life_of_an_object(direct: Direct) -> None:
    created = direct.create(CONFIG_MAPS, _config_map("a", x="1"))
    assert direct.get(CONFIG_MAPS, "default", "a") is created
    assert direct.find(CONFIG_MAPS, "default", "b") is None
    updated = direct.update(CONFIG_MAPS, {**created, "data": {"x": "2"}})
    assert updated["data"] == {"x": "2"}
    patched = direct.patch(CONFIG_MAPS, "default", "a", {"data": {"x": None, "y": "3"}})
    assert patched["data"] == {"y": "3"}
    assert direct.list(CONFIG_MAPS) == [patched]
    assert direct.delete(CONFIG_MAPS, "default", "a")["metadata"]["uid"] == created["metadata"]["uid"]
    assert direct.list(CONFIG_MAPS) == []


def test_what_is_given_is_copied(direct: Direct) -> None:
    body = _config_map("a", x="1")
    created = direct.create(CONFIG_MAPS, body)
    body["data"]["x"] = "changed"
    assert created["data"] == {"x": "1"}
    assert "uid" not in body["metadata"]


def test_errors_are_those_of_the_api(direct: Direct) -> None:
    first = direct.create(CONFIG_MAPS, _config_map("a"))
    direct.patch(CONFIG_MAPS, "default", "a", {"data": {"x": "1"}})
    with pytest.raises(AlreadyExists):
        direct.create(CONFIG_MAPS, _config_map("a"))
    with pytest.raises(Conflict, match="the object has been modified"):
        direct.update(CONFIG_MAPS, {**first, "data": {"x": "2"}})
    with pytest.raises(Conflict, match="UID in the precondition"):
        direct.delete(CONFIG_MAPS, "default", "a", uid="another")
    with pytest.raises(NotFound, match='configmaps "b" not found'):
        direct.get(CONFIG_MAPS, "default", "b")
    with pytest.raises(NotFound, match="could not find the requested resource"):
        direct.list(Resource("example.com", "v1", "Thing", "things"))
    with pytest.raises(BadRequest):
        direct.list(CONFIG_MAPS, field_selector="spec.x=1")
    with pytest.raises(Invalid):
        direct.create(CONFIG_MAPS, _config_map("A_b"))


def test_lists_are_selected(direct: Direct) -> None:
    for name, color in (("a", "red"), ("b", "blue")):
        body = config_map(name, {"color": color})
        body["metadata"]["namespace"] = "default"
        direct.create(CONFIG_MAPS, body)
    assert [item["metadata"]["name"] for item in direct.list(CONFIG_MAPS, label_selector="color=blue")] == ["b"]
    assert direct.list(CONFIG_MAPS, "kube-system") == []
    assert len(direct.list(NAMESPACES)) == 4


def test_a_pod_is_bound_once_and_only_itself(direct: Direct) -> None:
    first = direct.create(PODS, _pod("p"))
    direct.delete(PODS, "default", "p")
    second = direct.create(PODS, _pod("p"))
    with pytest.raises(Conflict):
        direct.bind(first, "n1", START)
    bound = direct.bind(second, "n1", START)
    assert bound["spec"]["nodeName"] == "n1"
    assert bound["status"]["conditions"][0]["lastTransitionTime"] == "2026-01-31T12:00:00Z"
    with pytest.raises(Conflict, match="already assigned"):
        direct.bind(second, "n2", START)


def test_the_grace_period_of_a_pod(direct: Direct) -> None:
    direct.bind(direct.create(PODS, _pod("p")), "n1", START)
    marked = direct.delete(PODS, "default", "p", grace_period_seconds=3)
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 3
    direct.delete(PODS, "default", "p", grace_period_seconds=0)
    assert direct.find(PODS, "default", "p") is None


async def test_a_watch_begins_with_what_is_there(direct: Direct) -> None:
    direct.create(CONFIG_MAPS, _config_map("a"))
    async with asyncio.timeout(5), aclosing(direct.watch(CONFIG_MAPS)) as events:
        first = await anext(events)
        direct.create(CONFIG_MAPS, _config_map("b"))
        direct.delete(CONFIG_MAPS, "default", "a")
        later = [await anext(events), await anext(events)]
    assert [(type_, obj["metadata"]["name"]) for type_, obj in [first, *later]] == [
        ("ADDED", "a"),
        ("ADDED", "b"),
        ("DELETED", "a"),
    ]


async def test_a_watch_resumes(direct: Direct) -> None:
    created = direct.create(CONFIG_MAPS, _config_map("a"))
    direct.patch(CONFIG_MAPS, "default", "a", {"data": {"x": "1"}})
    version = created["metadata"]["resourceVersion"]
    async with asyncio.timeout(5), aclosing(direct.watch(CONFIG_MAPS, version)) as events:
        type_, obj = await anext(events)
    assert (type_, obj["data"]) == ("MODIFIED", {"x": "1"})


async def test_a_watch_from_too_long_ago_expires(forgetful: Api) -> None:
    direct = forgetful.server.direct
    version = direct.create(CONFIG_MAPS, _config_map("a"))["metadata"]["resourceVersion"]
    direct.patch(CONFIG_MAPS, "default", "a", {"data": {"x": "1"}})
    async with aclosing(direct.watch(CONFIG_MAPS, version)) as events:
        with pytest.raises(Expired):
            await anext(events)
