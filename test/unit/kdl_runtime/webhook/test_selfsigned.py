"""What replicas do with the Secret and with who has to trust them."""

import asyncio
from base64 import b64decode
from typing import Any

import pytest

from kdl_runtime.client.client import Client, Patch, PatchType
from kdl_runtime.resources.registry import SECRETS
from kdl_runtime.serve.issuing import facts
from kdl_runtime.types import ObjectKey
from kdl_runtime.webhook.bundles import MUTATING, VALIDATING, validating_configuration
from kdl_runtime.webhook.rotation import material_of
from kdl_runtime.webhook.selfsigned import IssuingError
from kdl_testing.direct import DirectTransport
from unit.kdl_runtime.webhook.replicas import CONFIGURATION, DAY, HOSTS, HOUR, SECRET, World, in_a_world, options
from unit.kdl_runtime.webhook.trust import served, trusts


def test_the_first_start_issues_and_publishes() -> None:
    async def body(world: World) -> None:
        replica = world.replica()
        with pytest.raises(IssuingError, match="no certificates yet"):
            replica.check()
        await replica.start()
        replica.check()
        stored = material_of(await world.secret())
        assert stored is not None
        assert replica.bundle == stored.bundle == await world.bundle() == await world.bundle(MUTATING)
        world.check(stored.bundle)
        secret = await world.client.get(SECRETS, SECRET)
        assert secret["type"] == "kubernetes.io/tls"
        end = facts(stored.serving.certificate).not_after.timestamp()
        name = "kdl_runtime_certificate_expiration_timestamp_seconds"
        assert world.metrics.value(name, server=str(SECRET)) == end

    in_a_world(body)


def test_replicas_that_start_at_once_agree() -> None:
    async def body(world: World) -> None:
        replicas = [world.replica() for _ in range(5)]
        await asyncio.gather(*(replica.start() for replica in replicas))
        assert {replica.bundle for replica in replicas} == {await world.bundle()}
        assert len({served(replica.context) for replica in replicas}) == 1
        assert len(replicas[0].bundle.split(b"BEGIN")) == 2

    in_a_world(body)


def test_a_bundle_is_written_only_if_it_differs_and_never_for_cert_manager() -> None:
    async def body(world: World) -> None:
        annotation = {"metadata": {"annotations": {"cert-manager.io/inject-ca-from": "default/hook"}}}
        await world.client.patch(MUTATING, CONFIGURATION, Patch(PatchType.MERGE, annotation))
        client = world.new_client()
        writes: list[tuple[str, str]] = []
        client.on_write(lambda resource, verb, _raw: writes.append((resource.plural, verb)))
        replica = world.replica(client=client)
        await replica.start()
        await world.clock.sleep(DAY)
        assert writes == [("secrets", "create"), (VALIDATING.plural, "patch")]
        assert await world.bundle(MUTATING) == b""
        assert await world.bundle(VALIDATING) == replica.bundle

    in_a_world(body)


def test_a_wiped_bundle_is_written_again_at_once() -> None:
    async def body(world: World) -> None:
        replica = world.replica(options(watch=True))
        await replica.start()
        await world.clock.sleep(30)
        webhooks = [{"name": "a.b.c", "clientConfig": {"service": {"name": "hook", "namespace": "default"}}}]
        await world.client.patch(VALIDATING, CONFIGURATION, Patch(PatchType.MERGE, {"webhooks": webhooks}))
        await world.clock.sleep(2)
        assert await world.bundle() == replica.bundle

    in_a_world(body)


def test_a_configuration_that_comes_later_gets_its_bundle() -> None:
    async def body(world: World) -> None:
        late = validating_configuration("late")
        replica = world.replica(options(watch=True, targets=(late,)))
        await replica.start()
        replica.check()
        config = {"url": "https://127.0.0.1/"}
        wanted = {"metadata": {"name": "late"}, "webhooks": [{"name": "a.b.c", "clientConfig": config}]}
        await world.clock.sleep(60)
        await world.client.create(VALIDATING, wanted)
        await world.clock.sleep(2)
        found = await world.client.get(VALIDATING, ObjectKey("", "late"))
        assert b64decode(found["webhooks"][0]["clientConfig"]["caBundle"]) == replica.bundle

    in_a_world(body)


def test_an_empty_secret_is_filled() -> None:
    async def body(world: World) -> None:
        metadata = {"namespace": SECRET.namespace, "name": SECRET.name, "labels": {"kept": "yes"}}
        await world.client.create(SECRETS, {"metadata": metadata})
        await world.replica().start()
        assert material_of(await world.secret()) is not None
        assert (await world.client.get(SECRETS, SECRET))["metadata"]["labels"] == {"kept": "yes"}

    in_a_world(body)


def test_the_secret_of_somebody_else_is_left_alone() -> None:
    async def body(world: World) -> None:
        metadata = {"namespace": SECRET.namespace, "name": SECRET.name}
        await world.client.create(SECRETS, {"metadata": metadata, "stringData": {"password": "x"}})
        with pytest.raises(IssuingError, match="holds something else"):
            await world.replica().start()
        assert (await world.secret()) == {"password": b"x"}

    in_a_world(body)


def test_a_damaged_secret_is_replaced_while_what_is_served_stays_trusted() -> None:
    async def body(world: World) -> None:
        replica = world.replica()
        await replica.start()
        before = served(replica.context)
        patch = Patch(PatchType.MERGE, {"data": {"tls.key": "bm90aGluZw=="}})
        await world.client.patch(SECRETS, SECRET, patch)
        await replica.look()
        stored = material_of(await world.secret())
        assert stored is not None
        assert served(replica.context) == before
        world.check(await world.bundle())

    in_a_world(body)


def test_deleting_the_secret_gives_a_new_authority_without_an_interruption() -> None:
    async def body(world: World) -> None:
        replicas = [world.replica(options(interval=6 * HOUR)) for _ in range(2)]
        for replica in replicas:
            await replica.start()
        old = await world.bundle()
        await world.client.delete(SECRETS, SECRET)
        await asyncio.gather(*(replica.look() for replica in replicas))
        new = await world.bundle()
        assert new.endswith(old)
        assert new != old
        for _ in range(70):
            await world.clock.sleep(DAY)
            world.check(await world.bundle())
        stored = material_of(await world.secret())
        assert stored is not None
        assert trusts(stored.authorities[0], served(replicas[0].context), HOSTS[0], world.clock.now()) == ""

    in_a_world(body)


def test_trouble_is_told_only_when_it_matters() -> None:
    async def body(world: World) -> None:
        transport = DirectTransport(world.server)
        replica = world.replica(client=Client(transport, world.clock))
        await replica.start()
        transport.sever()
        await world.clock.sleep(60 * DAY)
        replica.check()
        await world.clock.sleep(20 * DAY)
        with pytest.raises(IssuingError, match="could not be made anew: the connection to the API server is cut"):
            replica.check()
        transport.heal()
        await world.clock.sleep(HOUR)
        replica.check()

    in_a_world(body)


def test_targets_that_cannot_be_written_are_named() -> None:
    class Refusing(DirectTransport):
        async def request(self, request: Any) -> Any:
            if request.method == "PATCH":
                answer = {"kind": "Status", "message": "you may not", "reason": "Forbidden", "code": 403}
                return type(
                    "Answer", (), {"status": 403, "headers": {}, "body": str(answer).replace("'", '"').encode()}
                )
            return await super().request(request)

    async def body(world: World) -> None:
        replica = world.replica(client=Client(Refusing(world.server), world.clock))
        await replica.start()
        with pytest.raises(IssuingError, match=r"caBundle of ValidatingWebhookConfiguration guestbook .* you may not"):
            replica.check()
        assert served(replica.context)

    in_a_world(body)


def test_a_start_without_a_server_ends_with_the_reason() -> None:
    async def body(world: World) -> None:
        transport = DirectTransport(world.server)
        transport.sever()
        with pytest.raises(IssuingError, match="no certificates in the Secret default/webhook-certificates: the conn"):
            await world.replica(client=Client(transport, world.clock)).start()

    in_a_world(body)
