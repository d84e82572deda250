"""An operator with webhooks: a Website (crd.yaml) gets a host by default, and no two Websites may have the same one.

deploy.yaml runs it behind a Service, with the rights that it needs. It issues and rotates its certificates itself."""

import asyncio
from typing import Any

import msgspec

from kdl_runtime import (
    Certificates,
    Client,
    Controller,
    HttpTransport,
    Manager,
    ObjectKey,
    PartialObject,
    Patch,
    PatchType,
    Request,
    Resource,
    SelfSigned,
    SelfSignedOptions,
    SystemClock,
    Validator,
    WatchSpec,
    WebhookOptions,
    WebhookServer,
    WriteOptions,
    load_config,
    mutating_configuration,
    run,
    service_hosts,
    validating_configuration,
    webhook_server,
)
from kdl_runtime.errors import Invalid

WEBSITES = Resource("example.com", "v1", "Website", "websites")
NAME, NAMESPACE = "website-operator", "website-system"
TARGETS = (mutating_configuration(NAME), validating_configuration(NAME))
OPTIONS = SelfSignedOptions(ObjectKey(NAMESPACE, "website-certificates"), service_hosts(NAME, NAMESPACE), TARGETS)


class Spec(msgspec.Struct, frozen=True, gc=False):
    host: str = ""


class Website(PartialObject, frozen=True, gc=False):
    spec: Spec = Spec()


def default(site: dict[str, Any]) -> None:
    metadata, spec = site["metadata"], site.setdefault("spec", {})
    if "host" not in spec:
        if not metadata.get("name"):
            raise ValueError("a Website without a name of its own needs spec.host")
        spec["host"] = f"{metadata['name']}.{metadata['namespace']}.example.com"


def build(manager: Manager, certificates: Certificates, options: WebhookOptions | None = None) -> WebhookServer:
    sites = manager.cache.declare(WatchSpec(WEBSITES, Website, indexes={"host": lambda site: [site.spec.host]}))

    def check(site: dict[str, Any], _old: object = None) -> None:
        host, key = site["spec"]["host"], Request(site["metadata"]["namespace"], site["metadata"]["name"])
        # The cache may be a moment old: of two Websites made in that moment, both can get the host.
        if others := [other.key for other in sites.by_index("host", host) if other.key != key]:
            raise Invalid(f"spec.host: {host} belongs to {others[0]} already")

    def delete(site: dict[str, Any]) -> None:
        if site["metadata"].get("labels", {}).get("live") == "true":
            raise ValueError("this Website is live: remove its label first")

    async def reconcile(key: Request) -> None:
        if (site := sites.object(key)) is not None:
            status = {"url": f"https://{site['spec']['host']}/"}
            if site.get("status") != status:
                patch = Patch(PatchType.MERGE, {"status": status})
                await manager.client.patch(WEBSITES, key, patch, WriteOptions(subresource="status"))

    manager.add(Controller("website", reconcile).for_(sites))
    server = webhook_server(manager, certificates, options)
    server.mutate(WEBSITES, default)
    server.validate(WEBSITES, Validator(create=check, update=check, delete=delete))
    return server


async def main() -> None:
    async with HttpTransport(load_config(), SystemClock()) as transport:
        manager = Manager(Client(transport, SystemClock()))
        build(manager, SelfSigned(manager.client, OPTIONS, manager.clock, manager.metrics))
        await run(manager)


if __name__ == "__main__":
    asyncio.run(main())
