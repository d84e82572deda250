"""A kind with two versions, its webhooks, and an API server that calls them."""

import asyncio
import contextlib
from base64 import b64decode
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

from kdl_runtime.client.client import Client
from kdl_runtime.clock import SystemClock
from kdl_runtime.errors import ApiError, Forbidden, Invalid, NotFound
from kdl_runtime.resources.registry import CRDS, SECRETS
from kdl_runtime.transport.config import ClusterConfig
from kdl_runtime.transport.http import HttpTransport
from kdl_runtime.types import ObjectKey, Resource
from kdl_runtime.webhook.admission import admission_request
from kdl_runtime.webhook.bundles import (
    MUTATING,
    VALIDATING,
    conversion_of,
    mutating_configuration,
    validating_configuration,
)
from kdl_runtime.webhook.conversion import HubAndSpokes, Spoke
from kdl_runtime.webhook.functions import Validator
from kdl_runtime.webhook.paths import mutate_path, validate_path
from kdl_runtime.webhook.rotation import RotationPolicy
from kdl_runtime.webhook.selfsigned import SelfSigned, SelfSignedOptions
from kdl_runtime.webhook.server import WebhookOptions, WebhookServer
from kdl_testing.envtest import ControlPlane, WebhookEndpoint

Object = dict[str, Any]

GROUP, NAME = "test.kdl.io", "guestbooks.test.kdl.io"
V1 = Resource(GROUP, "v1", "Guestbook", "guestbooks")
V2 = Resource(GROUP, "v2", "Guestbook", "guestbooks")
TARGETS = (mutating_configuration("guestbook"), validating_configuration("guestbook"), conversion_of(NAME))
SECRET = ObjectKey("default", "guestbook-certificates")


def definition(endpoint: WebhookEndpoint) -> Object:
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
    }
    versions = [
        {"name": name, "served": True, "storage": name == "v2", "schema": {"openAPIV3Schema": schema}}
        for name in ("v1", "v2")
    ]
    conversion = {
        "strategy": "Webhook",
        "webhook": {"conversionReviewVersions": ["v1"], "clientConfig": {"url": endpoint.url("/convert")}},
    }
    names = {"kind": "Guestbook", "plural": "guestbooks", "singular": "guestbook"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": NAME},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": names,
            "versions": versions,
            "conversion": conversion,
        },
    }


def configurations() -> list[Object]:
    """As generated manifests have them, for a Service."""
    found = []
    for resource, path, operations in (
        (MUTATING, mutate_path(V1), ["CREATE", "UPDATE"]),
        (VALIDATING, validate_path(V1), ["CREATE", "UPDATE", "DELETE"]),
    ):
        webhook = {
            "name": "guestbook.test.kdl.io",
            "clientConfig": {"service": {"name": "guestbook", "namespace": "default", "path": path}},
            "rules": [
                {"apiGroups": [GROUP], "apiVersions": ["v1"], "operations": operations, "resources": ["guestbooks"]}
            ],
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "failurePolicy": "Fail",
            "matchPolicy": "Equivalent",
            "timeoutSeconds": 5,
        }
        metadata = {"name": "guestbook"}
        found.append(
            {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, "webhooks": [webhook]}
        )
    return found


def guestbook(name: str, **spec: Any) -> Object:
    return {"metadata": {"namespace": "default", "name": name}, "spec": spec}


# ---- the functions


def default(obj: Object) -> None:
    obj["spec"].setdefault("address", "localhost:80")


def create(obj: Object) -> str | None:
    rows = obj["spec"].get("rows", 0)
    if rows < 0:
        raise Invalid("rows must not be negative", details={"causes": [{"field": "spec.rows", "message": "negative"}]})
    return "that is a lot of rows" if rows > 100 else None


async def update(new: Object, old: Object) -> None:
    if new["spec"].get("rows", 0) < old["spec"].get("rows", 0):
        raise ValueError(f"{admission_request().user['username']} may not take rows away")


def delete(obj: Object) -> None:
    if obj["metadata"].get("labels", {}).get("keep"):
        raise Forbidden("it is to be kept")


def to_hub(obj: Object) -> Object:
    host, _, port = obj["spec"].pop("address").rpartition(":")
    obj["spec"] |= {"host": host, "port": int(port)}
    return obj


def from_hub(obj: Object) -> Object:
    if "host" not in obj["spec"]:
        raise ValueError("there is no host")
    obj["spec"]["address"] = f"{obj['spec'].pop('host')}:{obj['spec'].pop('port')}"
    return obj


def serve_guestbooks(server: WebhookServer) -> None:
    server.mutate(V1, default)
    server.validate(V1, Validator(create, update, delete))
    server.convert(V1, HubAndSpokes("v2", {"v1": Spoke(to_hub, from_hub)}))


# ---- the world


class World:
    """Clients of one API server, and webhook servers that it calls."""

    def __init__(self, plane: ControlPlane, stack: AsyncExitStack) -> None:
        self.plane = plane
        self.clock = SystemClock()
        self._stack = stack
        self.client = self.new_client(plane.config)

    def new_client(self, config: ClusterConfig) -> Client:
        transport = HttpTransport(config, self.clock)
        self._stack.push_async_callback(transport.close)
        return Client(transport, self.clock)

    async def serve(self, client: Client | None = None, policy: RotationPolicy | None = None) -> WebhookServer:
        """One replica, which has guestbooks."""
        options = SelfSignedOptions(SECRET, ("127.0.0.1",), TARGETS, policy or RotationPolicy(), interval=1.0)
        certificates = SelfSigned(client or self.client, options)
        server = WebhookServer(certificates, WebhookOptions("127.0.0.1", 0, shutdown_seconds=1.0))
        serve_guestbooks(server)
        await server.start()
        self._stack.push_async_callback(server.stop)
        return server

    async def install(self, endpoint: WebhookEndpoint) -> None:
        await asyncio.to_thread(self.plane.install_crds, [definition(endpoint)])
        await asyncio.to_thread(self.plane.install_webhooks, configurations(), endpoint)

    async def uninstall(self) -> None:
        for resource in (MUTATING, VALIDATING):
            with contextlib.suppress(NotFound):
                await self.client.delete(resource, ObjectKey("", "guestbook"))
        with contextlib.suppress(NotFound):
            crd = await self.client.get(CRDS, ObjectKey("", NAME))
            # Objects are deleted in the version of the request; nobody converts any more.
            crd["spec"]["conversion"] = {"strategy": "None"}
            await self.client.update(CRDS, crd)
            await self.client.delete(CRDS, ObjectKey("", NAME))
        await self.until(lambda: self._gone(CRDS, ObjectKey("", NAME)))
        with contextlib.suppress(NotFound):
            await self.client.delete(SECRETS, SECRET)

    async def _gone(self, resource: Resource, key: ObjectKey) -> bool:
        try:
            await self.client.get(resource, key)
        except NotFound:
            return True
        return False

    async def until(self, holds: Callable[[], Any], seconds: float = 20.0) -> None:
        async with asyncio.timeout(seconds):
            while True:
                if await holds():
                    return
                await asyncio.sleep(0.05)

    async def bundle(self, resource: Resource = VALIDATING) -> bytes:
        found = await self.client.get(resource, ObjectKey("", "guestbook"))
        return b64decode(found["webhooks"][0]["clientConfig"].get("caBundle", ""))

    async def until_called(self) -> None:
        """The API server has seen the configurations and trusts the certificate."""

        async def refused() -> bool:
            try:
                await self.client.create(V1, guestbook("probe", rows=-1))
            except Invalid:
                return True
            except ApiError:
                return False
            await self.client.delete(V2, ObjectKey("default", "probe"))
            return False

        await self.until(refused)


ROLES = Resource("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", namespaced=False)
BINDINGS = Resource("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False)


def binding(role: str, account: str) -> Object:
    subject = {"kind": "ServiceAccount", "name": account, "namespace": "default"}
    reference = {"apiGroup": ROLES.group, "kind": "ClusterRole", "name": role}
    return {"metadata": {"name": f"{role}-{account}"}, "roleRef": reference, "subjects": [subject]}
