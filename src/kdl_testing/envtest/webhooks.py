"""Webhooks that an API server outside of the cluster's network calls: at the test's own server instead of a Service."""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdl_runtime.client.client import Client
from kdl_runtime.errors import AlreadyExists, Conflict
from kdl_runtime.types import ObjectKey
from kdl_runtime.webhook.bundles import MUTATING, VALIDATING
from kdl_runtime.webhook.paths import CONVERT_PATH
from kdl_testing.envtest import manifests
from kdl_testing.envtest.manifests import Object

_RESOURCES = {resource.kind: resource for resource in (MUTATING, VALIDATING)}


@dataclass(frozen=True, slots=True)
class WebhookEndpoint:
    """Where the test's webhook server listens. ``ca``: PEM of who has signed its certificate; empty leaves the
    ``caBundle`` to who rotates certificates."""

    port: int
    host: str = "127.0.0.1"
    ca: bytes = b""

    def url(self, path: str) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"https://{host}:{self.port}{path}"


def load(sources: Iterable[Path | Object]) -> list[Object]:
    """Every webhook configuration in these files, directories and objects. ManifestError."""
    found: list[Object] = []
    for source in sources:
        found += manifests.read(source, _RESOURCES) if isinstance(source, Path) else [source]
    return found


def redirected(obj: Object, endpoint: WebhookEndpoint) -> dict[str, Any]:
    """A webhook configuration, or a CRD with conversion by webhook, that calls the endpoint. The path of a Service, or
    of a URL, stays; other objects do as well."""
    made = dict(deepcopy(obj))
    conversion = (made.get("spec") or {}).get("conversion") or {}
    if conversion.get("strategy") == "Webhook":
        webhook = conversion["webhook"]
        webhook["clientConfig"] = _client_config(webhook.get("clientConfig") or {}, endpoint, CONVERT_PATH)
    for webhook in made.get("webhooks") or ():
        webhook["clientConfig"] = _client_config(webhook["clientConfig"], endpoint, "/")
    return made


async def install(client: Client, configurations: Iterable[Object], endpoint: WebhookEndpoint) -> None:
    """Creates the configurations, or replaces what is there. The API server follows them within moments. ApiError."""
    for configuration in configurations:
        resource = _RESOURCES[configuration["kind"]]
        wanted = redirected(configuration, endpoint)
        while True:
            try:
                await client.create(resource, wanted)
            except AlreadyExists:
                present = await client.get(resource, ObjectKey("", wanted["metadata"]["name"]))
                version = present["metadata"]["resourceVersion"]
                try:
                    await client.update(
                        resource, {**wanted, "metadata": {**wanted["metadata"], "resourceVersion": version}}
                    )
                except Conflict:
                    continue
            break


def _client_config(config: Mapping[str, Any], endpoint: WebhookEndpoint, default: str) -> dict[str, Any]:
    if "url" in config:
        path = "/" + str(config["url"]).split("://", 1)[-1].partition("/")[2]
    else:
        path = (config.get("service") or {}).get("path") or default
    made = {"url": endpoint.url(path)}
    if endpoint.ca:
        made["caBundle"] = b64encode(endpoint.ca).decode()
    return made
