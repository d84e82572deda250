"""A complete operator: it keeps a ConfigMap with a text for each Greeting (crd.yaml). Run it: python greeting.py"""

import asyncio

from kdl_runtime import (
    Client,
    Controller,
    HttpTransport,
    Manager,
    Request,
    Resource,
    SystemClock,
    WatchSpec,
    load_config,
    run,
    set_controller_reference,
)
from kdl_runtime.resources.registry import CONFIGMAPS

GREETINGS = Resource("example.com", "v1", "Greeting", "greetings")


def build(manager: Manager) -> None:
    greetings = manager.cache.declare(WatchSpec(GREETINGS))
    texts = manager.cache.declare(WatchSpec(CONFIGMAPS, label_selector="app=greeting"))

    async def reconcile(key: Request) -> None:
        greeting = greetings.object(key)
        if greeting is None or "deletionTimestamp" in greeting["metadata"]:
            return  # Garbage collection takes the ConfigMap.
        wanted = {"metadata": {"namespace": key.namespace, "name": key.name, "labels": {"app": "greeting"}}}
        wanted["data"] = {"text": f"Hello, {greeting['spec']['name']}!"}
        set_controller_reference(greeting, GREETINGS, wanted)
        if (present := texts.object(key)) is None:
            await manager.client.create(CONFIGMAPS, wanted)
        elif present.get("data") != wanted["data"]:
            await manager.client.update(CONFIGMAPS, present | {"data": wanted["data"]})

    manager.add(Controller("greeting", reconcile).for_(greetings).owns(texts))


async def main() -> None:
    async with HttpTransport(load_config(), SystemClock()) as transport:
        manager = Manager(Client(transport, SystemClock()))
        build(manager)
        await run(manager)


if __name__ == "__main__":
    asyncio.run(main())
