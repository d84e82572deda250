"""Webhooks that a real kube-apiserver calls: defaults, validation and conversion."""

import asyncio
import contextlib

import pytest

from envtest.webhooks.guestbooks import (
    SECRET,
    TARGETS,
    V1,
    V2,
    Object,
    World,
    default,
    from_hub,
    guestbook,
    to_hub,
)
from kdl_runtime.cache.spec import WatchSpec
from kdl_runtime.client.client import Patch, PatchType
from kdl_runtime.errors import ApiError, Forbidden, InternalError, Invalid
from kdl_runtime.manager.manager import Manager, ManagerOptions
from kdl_runtime.types import ObjectKey
from kdl_runtime.webhook.conversion import HubAndSpokes, Spoke
from kdl_runtime.webhook.functions import Validator
from kdl_runtime.webhook.selfsigned import SelfSigned, SelfSignedOptions
from kdl_runtime.webhook.server import WebhookOptions, webhook_server
from kdl_testing.envtest import WebhookEndpoint


async def test_defaults_validation_and_conversion(world: World) -> None:
    server = await world.serve()
    await world.install(WebhookEndpoint(server.address.port))
    await world.until_called()
    await server.check_started()

    created = await world.client.create(V1, guestbook("one", rows=3))
    assert created["spec"] == {"rows": 3, "address": "localhost:80"}
    key = ObjectKey("default", "one")
    as_v2 = await world.client.get(V2, key)
    assert as_v2["spec"] == {"rows": 3, "host": "localhost", "port": 80}
    kept = {name: value for name, value in as_v2["metadata"].items() if name != "managedFields"}
    assert kept == {name: value for name, value in created["metadata"].items() if name != "managedFields"}
    # matchPolicy Equivalent: the webhook of v1 is asked about v2 as well, in v1.
    await world.client.create(V2, guestbook("two", host="example.com", port=1, rows=1))
    assert [item["spec"]["address"] for item in await world.client.list(V1, "default")] == [
        "localhost:80",
        "example.com:1",
    ]

    with pytest.raises(Invalid, match=r'admission webhook "guestbook.test.kdl.io" denied the request: rows must not'):
        await world.client.create(V1, guestbook("three", rows=-1))
    smaller = Patch(PatchType.MERGE, {"spec": {"rows": 2}})
    with pytest.raises(Forbidden, match="kdl-admin may not take rows away"):
        await world.client.patch(V2, key, smaller)
    await world.client.patch(V1, key, Patch(PatchType.MERGE, {"metadata": {"labels": {"keep": "yes"}}}))
    with pytest.raises(Forbidden, match="it is to be kept"):
        await world.client.delete(V1, key)
    await world.client.delete(V1, ObjectKey("default", "two"))
    with pytest.raises(ApiError, match="there is no host"):
        await world.client.patch(V2, key, Patch(PatchType.MERGE, {"spec": {"host": None, "rows": 5}}))


async def test_a_user_is_warned(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    server = await world.serve()
    await world.install(WebhookEndpoint(server.address.port))
    await world.until_called()
    manifest = world.plane.directory / "guestbook.json"
    manifest.write_text(
        '{"apiVersion": "test.kdl.io/v1", "kind": "Guestbook", "metadata": {"name": "big"}, "spec": {"rows": 101}}'
    )
    kubectl = ["kubectl", "--kubeconfig", str(world.plane.kubeconfig), "create", "-f", str(manifest)]
    process = await asyncio.create_subprocess_exec(*kubectl)
    assert await process.wait() == 0
    out, err = capfd.readouterr()
    assert "guestbook.test.kdl.io/big created" in out
    assert "Warning: that is a lot of rows" in err


async def test_conversion_answers_while_the_cache_of_the_same_process_fills(world: World) -> None:
    first = await world.serve()
    await world.install(WebhookEndpoint(first.address.port))
    await world.until_called()
    for number in range(20):
        await world.client.create(V2, guestbook(f"n{number}", host="h", port=number))
    port = first.address.port
    await first.stop()

    # A cache of v1 cannot fill before the webhook converts, and a validator reads from it.
    options = ManagerOptions(metrics_bind_address="0", health_probe_bind_address="127.0.0.1:0")
    manager = Manager(world.new_client(world.plane.config), options)
    certificates = SelfSigned(manager.client, SelfSignedOptions(SECRET, ("127.0.0.1",), TARGETS), manager.clock)
    server = webhook_server(manager, certificates, WebhookOptions("127.0.0.1", port, shutdown_seconds=1.0))
    informer = manager.cache.declare(WatchSpec(V1))

    def only_twenty(obj: Object) -> None:
        if len(informer.list()) >= 20 and obj["spec"]["address"] != "h:99":
            raise Forbidden(f"there are {len(informer.list())} already")

    server.mutate(V1, default)
    server.validate(V1, Validator(create=only_twenty))
    server.convert(V1, HubAndSpokes("v2", {"v1": Spoke(to_hub, from_hub)}))
    task = asyncio.create_task(manager.start())
    try:
        # From the first moment on: admission waits until the validator can know. Before that nobody answers.
        with pytest.raises(Forbidden, match="there are 20 already"):
            while True:
                with contextlib.suppress(InternalError):
                    await world.client.create(V1, guestbook("late", address="h:1"))
                    pytest.fail("it was admitted by who could not know")
                await asyncio.sleep(0.01)
        await manager.wait_started()
        assert len(informer.list()) == 20
        assert informer.object(ObjectKey("default", "n7"))["spec"] == {"address": "h:7"}  # type: ignore[index]
        await server.check_started()
    finally:
        manager.stop()
        await task
