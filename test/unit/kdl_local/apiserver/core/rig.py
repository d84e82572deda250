"""A server in this process, requests to it, and objects to send."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kdl_local.apiserver.request import Response, make_request
from kdl_local.apiserver.server import ApiServer
from kdl_runtime.clock import SystemClock
from kdl_runtime.codec.json import decode, encode

START = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)


class StillClock(SystemClock):
    """The time of day stands still until a test sets it."""

    def __init__(self) -> None:
        self.moment = START

    def now(self) -> datetime:
        return self.moment


@dataclass(frozen=True)
class Answer:
    """A complete answer, decoded; ``code`` is the HTTP status."""

    code: int
    object: Any
    response: Response

    @property
    def message(self) -> str:
        return str(self.object["message"])


class Api:
    """Requests to a server in this process."""

    def __init__(self, server: ApiServer) -> None:
        self.server = server

    async def __call__(self, method: str, url: str, body: Any = None, **headers: str) -> Answer:
        response = await self.response(method, url, body, **headers)
        text = response.complete
        is_json = response.content_type.startswith("application/json")
        return Answer(response.status, decode(text) if is_json else text, response)

    async def response(self, method: str, url: str, body: Any = None, **headers: str) -> Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if isinstance(body, bytes) else b"" if body is None else encode(body)
        return await self.server.handle(make_request(method, url, data, named))

    async def ok(self, method: str, url: str, body: Any = None, **headers: str) -> Any:
        """The object of an answer that must be a success."""
        answer = await self(method, url, body, **headers)
        assert answer.code < 300, answer.object
        return answer.object

    async def events(self, url: str, **headers: str) -> list[tuple[str, Any]]:
        """All events of a watch until it ends; its URL must set ``timeoutSeconds``, or its fault must end it."""
        return [event async for event in self.watch(url, **headers)]

    async def watch(self, url: str, **headers: str) -> AsyncGenerator[tuple[str, Any], None]:
        response = await self.response("GET", url, **headers)
        assert response.status == 200, response.body
        assert not isinstance(response.body, bytes)
        async with aclosing(response.body) as pieces:
            async for piece in pieces:
                for line in piece.splitlines():
                    event = decode(line)
                    yield event["type"], event["object"]


CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
WIDGETS = "/apis/example.com/v1/namespaces/default/widgets"


def config_map(name: str, labels: Mapping[str, str] | None = None, **data: str) -> dict[str, Any]:
    meta: dict[str, Any] = {"name": name}
    if labels:
        meta["labels"] = dict(labels)
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": meta, "data": data}


def pod(name: str, **spec: Any) -> dict[str, Any]:
    containers = [{"name": "main", "image": "kdl/python"}]
    return {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": name}, "spec": {"containers": containers, **spec}}


def widget(name: str, **spec: Any) -> dict[str, Any]:
    return {"kind": "Widget", "apiVersion": "example.com/v1", "metadata": {"name": name}, "spec": spec}


def widget_crd() -> dict[str, Any]:
    """Two versions with status and scale, of which v1 is stored."""
    spec = {
        "type": "object",
        "properties": {
            "replicas": {"type": "integer", "minimum": 0, "default": 1},
            "color": {"type": "string"},
            "selector": {"type": "string"},
        },
    }
    status = {"type": "object", "properties": {"replicas": {"type": "integer"}, "phase": {"type": "string"}}}
    schema = {"type": "object", "properties": {"spec": spec, "status": status}}
    paths = {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".spec.selector",
    }
    version = {
        "served": True,
        "storage": False,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}, "scale": paths},
        "additionalPrinterColumns": [{"name": "Color", "type": "string", "jsonPath": ".spec.color"}],
    }
    return {
        "kind": "CustomResourceDefinition",
        "apiVersion": "apiextensions.k8s.io/v1",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets", "shortNames": ["wd"]},
            "versions": [{**version, "name": "v1", "storage": True}, {**version, "name": "v2"}],
        },
    }
