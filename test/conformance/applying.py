"""Applies, and the owners of fields in a form that is easy to read."""

from collections.abc import Iterator, Mapping
from typing import Any

from conformance.api import Answer, Api, Object, config_map
from kdl_runtime.codec.json import encode

APPLY = "application/apply-patch+yaml"


def owners(obj: Object) -> dict[str, set[str]]:
    """By ``Apply manager`` or ``Update manager``, with the subresource behind it: the paths that are owned.

    A path is ``data/x``, ``spec/containers/{"name":"main"}/image`` or ``metadata/finalizers/"a.b/c"``.
    """
    found = {}
    for entry in obj["metadata"].get("managedFields") or ():
        name = " ".join(filter(None, (entry["operation"], entry["manager"], entry.get("subresource"))))
        assert (name not in found, entry["fieldsType"]) == (True, "FieldsV1")
        found[name] = set(_paths(entry["fieldsV1"], ""))
    return found


def _paths(fields: Mapping[str, Any], path: str) -> Iterator[str]:
    for element, below in fields.items():
        if element == ".":
            continue
        here = f"{path}/{element[2:]}" if path else element[2:]
        if not below or "." in below:
            yield here
        yield from _paths(below, here)


def conflicts(answer: Answer) -> set[tuple[str, str]]:
    """Fields and messages of a refusal because of others' fields."""
    assert (answer.code, answer.object["reason"]) == (409, "Conflict"), answer.body
    causes = answer.object["details"]["causes"]
    assert {cause["reason"] for cause in causes} == {"FieldManagerConflict"}
    return {(cause["field"], cause["message"]) for cause in causes}


class Applier:
    """Applies to one object. ``base`` are its apiVersion, kind and metadata."""

    def __init__(self, api: Api, path: str, base: Object) -> None:
        self.api = api
        self.path = path
        self.base = base

    async def __call__(self, manager: str, config: Object | None = None, /, **query: str) -> Answer:
        """An answer of whatever code; ``config`` are fields beside those of ``base``, and more metadata."""
        subresource = query.pop("subresource", "")
        body = {**self.base, **(config or {})}
        body["metadata"] = {**self.base["metadata"], **(config or {}).get("metadata", {})}
        path = f"{self.path}/{subresource}" if subresource else self.path
        return await self.api("PATCH", path, encode(body).decode(), content_type=APPLY, fieldManager=manager, **query)

    async def ok(self, manager: str, config: Object | None = None, /, **query: str) -> Object:
        answer = await self(manager, config, **query)
        assert answer.code in (200, 201), answer.body
        return answer.object

    async def data(self, manager: str, /, **data: str) -> Object:
        """Applies the ``data`` of a config map."""
        return await self.ok(manager, {"data": data})


def config_maps(api: Api) -> Applier:
    """Applies to the config map ``a``."""
    made = config_map("a")
    return Applier(api, api.path("configmaps", "a"), {name: made[name] for name in ("apiVersion", "kind", "metadata")})
