"""The code of the pages for newcomers from elsewhere does what it seems to do."""

from pathlib import Path
from typing import Any

import pytest

from kdl_runtime.client.client import Patch, PatchType
from kdl_runtime.errors import NotFound
from kdl_runtime.resources.registry import CONFIGMAPS, CRDS, PODS, SERVICES
from kdl_runtime.types import ObjectKey, Resource
from unit.docs.execution import Execution
from unit.docs.markdown import RUNTIME_DOCS, Page
from unit.kdl_runtime.controller.world import World, in_a_world

KEY = ObjectKey("default", "m")


def definition(resource: Resource) -> dict[str, Any]:
    """With a status, and any fields."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": resource.version,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": schema},
    }
    names = {"kind": resource.kind, "plural": resource.plural, "singular": resource.kind.lower()}
    return {
        "metadata": {"name": resource.group_resource},
        "spec": {"group": resource.group, "scope": "Namespaced", "names": names, "versions": [version]},
    }


class Backups:
    """A service outside of the cluster. A backup that is being written cannot be removed."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.busy = True

    async def write(self, name: str) -> None:
        self.written.append(name)

    async def remove(self, _name: str) -> bool:
        return not self.busy


def executed(page: str, world: World, directory: Path, **given: Any) -> dict[str, Any]:
    """The names of the page, whose blocks have been given the manager of the world and others."""
    run = Execution(Page.read(RUNTIME_DOCS / page), directory)
    run.names |= {"manager": world.manager, **given}
    return run.run().names


def test_coming_from_controller_runtime(tmp_path: Path) -> None:
    async def body(world: World) -> None:
        names = executed("coming-from-controller-runtime.md", world, tmp_path)
        user, memcacheds = world.stranger, names["MEMCACHEDS"]
        await user.create(CRDS, definition(memcacheds))
        await world.start()

        async def pods() -> list[str]:
            await world.clock.sleep(2)
            return sorted(pod["metadata"]["name"] for pod in await user.list(PODS, "default"))

        metadata = {"name": KEY.name, "namespace": KEY.namespace}
        await user.create(memcacheds, {"metadata": metadata, "spec": {"size": 2}})
        assert await pods() == ["m-0", "m-1"]
        await user.delete(PODS, ObjectKey("default", "m-0"))
        assert await pods() == ["m-0", "m-1"]
        seen = names["seen"]
        assert seen == [KEY]
        await user.patch(memcacheds, KEY, Patch(PatchType.MERGE, {"metadata": {"labels": {"a": "b"}}}))
        await world.clock.sleep(2)
        assert seen == [KEY]
        await user.patch(memcacheds, KEY, Patch(PatchType.MERGE, {"spec": {"size": 3}}))
        assert await pods() == ["m-0", "m-1", "m-2"]
        assert seen == [KEY, KEY]
        settings = {"metadata": {"name": "s", "namespace": "default", "labels": {"memcached": "other"}}}
        await user.create(CONFIGMAPS, settings)
        await world.clock.sleep(2)
        assert seen[2:] == [ObjectKey("default", "other")]
        assert (await user.get(memcacheds, KEY))["status"] == {"size": 3}

        assert (await user.get(SERVICES, KEY))["spec"]["ports"][0]["port"] == 11211
        note = ObjectKey("default", "m-note")
        assert (await user.get(CONFIGMAPS, note))["data"] == {"size": "3"}
        sent = world.transport.requests
        await user.patch(SERVICES, KEY, Patch(PatchType.MERGE, {"metadata": {"annotations": {"a": "b"}}}))
        await world.clock.sleep(2)
        assert world.transport.requests == sent
        await user.patch(CONFIGMAPS, note, Patch(PatchType.MERGE, {"data": {"size": "4"}}))
        await user.patch(SERVICES, KEY, Patch(PatchType.MERGE, {"spec": {"selector": {"app": "other"}}}))
        await world.clock.sleep(2)
        assert (await user.get(CONFIGMAPS, note))["data"] == {"size": "3"}
        assert (await user.get(SERVICES, KEY))["spec"]["selector"] == {"app": "memcached"}

    in_a_world(body)


def test_coming_from_kopf(tmp_path: Path) -> None:
    async def body(world: World) -> None:
        backups = Backups()
        names = executed("coming-from-kopf.md", world, tmp_path, backups=backups)
        user, databases = world.stranger, names["DATABASES"]
        await user.create(CRDS, definition(databases))
        await world.start()

        async def pods() -> list[str]:
            await world.clock.sleep(2)
            return [pod["metadata"]["uid"] for pod in await user.list(PODS, "default")]

        metadata = {"name": KEY.name, "namespace": KEY.namespace}
        await user.create(databases, {"metadata": metadata, "spec": {"image": "db:1"}})
        first = await pods()
        assert len(first) == 1
        await user.delete(PODS, KEY)
        second = await pods()
        assert len(second) == 1
        assert second != first
        assert backups.written == []
        await world.clock.sleep(3600)
        assert backups.written == ["m"]
        await world.clock.sleep(7200)
        assert backups.written == ["m"] * 3

        settings = {"metadata": {"name": "s", "namespace": "default", "labels": {"database": "m"}}}
        await user.create(CONFIGMAPS, settings)
        await world.clock.sleep(2)
        assert names["reloaded"] == ["m"]

        await user.delete(databases, KEY)
        await world.clock.sleep(30)
        assert (await user.get(databases, KEY))["metadata"]["finalizers"] == ["example.com/backups"]
        backups.busy = False
        await world.clock.sleep(30)
        with pytest.raises(NotFound):
            await user.get(databases, KEY)

    in_a_world(body)
