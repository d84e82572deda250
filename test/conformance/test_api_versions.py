"""A custom resource in two versions whose fields are not the same ones: what each version shows, and who owns it."""

from collections.abc import AsyncIterator

import pytest

from conformance.api import MERGE, Api, Object
from conformance.applying import APPLY, owners
from conformance.conftest import unique
from conformance.widgets import CRDS, Widgets, definition, install, schema
from kdl_runtime.codec.json import encode


def _schema(field: str) -> Object:
    return schema(type="object", properties={"size": {"type": "integer"}, field: {"type": "string"}})


class Views:
    """The object ``a``: ``v1`` is stored and knows ``color``, ``v2`` knows ``shape``, and both know ``size``."""

    def __init__(self, api: Api, group: str) -> None:
        self.api = api
        self.group = group

    def path(self, version: str) -> str:
        return self.api.path("widgets", "a", group_version=f"{self.group}/{version}")

    async def spec(self, version: str) -> Object:
        return dict((await self.api.ok("GET", self.path(version)))["spec"])

    async def merge(self, version: str, /, **spec: object) -> Object:
        patch = {"spec": spec}
        return await self.api.ok("PATCH", self.path(version), patch, content_type=MERGE, fieldManager="merger")

    def applied(self, version: str, /, **spec: object) -> str:
        obj = Widgets(self.api, self.group).new("a", **spec)
        return encode({**obj, "apiVersion": f"{self.group}/{version}"}).decode()


@pytest.fixture
async def views(api: Api) -> AsyncIterator[Views]:
    crd = definition(f"{unique('g')}.example.com")
    first = {name: crd["spec"]["versions"][0][name] for name in ("name", "served", "storage")}
    crd["spec"]["versions"] = [
        {**first, "schema": _schema("color")},
        {**first, "name": "v2", "storage": False, "schema": _schema("shape")},
    ]
    await install(api, crd)
    await Widgets(api, crd["spec"]["group"]).create("a", size=1, color="red")
    yield Views(api, crd["spec"]["group"])
    await api.ok("DELETE", f"{CRDS}/{crd['metadata']['name']}")


async def test_a_version_shows_the_fields_that_it_knows(views: Views) -> None:
    assert (await views.spec("v1"), await views.spec("v2")) == ({"size": 1, "color": "red"}, {"size": 1})


async def test_a_write_of_another_version_loses_what_that_does_not_know(views: Views) -> None:
    await views.merge("v2", size=2)
    assert (await views.spec("v1"), await views.spec("v2")) == ({"size": 2}, {"size": 2})


async def test_so_does_one_that_changes_nothing(views: Views) -> None:
    made = await views.api.ok("GET", views.path("v1"))
    found = await views.merge("v2")
    assert found["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]
    assert await views.spec("v1") == {"size": 1}


async def test_what_the_stored_version_does_not_know_is_not_stored(views: Views) -> None:
    assert (await views.merge("v2", size=2, shape="round"))["spec"] == {"size": 2}
    assert await views.spec("v2") == {"size": 2}


async def test_owners_are_kept_while_all_versions_can_show_the_object(views: Views) -> None:
    assert owners(await views.merge("v2", size=2))["Update merger"] == {"spec/size"}


async def test_owners_are_forgotten_when_one_of_their_versions_cannot_show_the_object(views: Views) -> None:
    assert "managedFields" not in (await views.merge("v2", shape="round"))["metadata"]


async def test_such_an_apply_is_an_error(views: Views) -> None:
    body = views.applied("v2", shape="round")
    answer = await views.api("PATCH", views.path("v2"), body, content_type=APPLY, fieldManager="applier")
    assert answer.code == 500
    assert answer.message == "failed to convert new object: .spec.shape: field not declared in schema"
