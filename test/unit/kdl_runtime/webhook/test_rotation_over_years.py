"""What is served is valid and trusted at every moment of two years."""

import random
import ssl
from base64 import b64decode
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from kdl_runtime.client.client import Client
from kdl_runtime.codec.json import decode
from kdl_runtime.serve.issuing import new_server_certificate
from kdl_runtime.types import Resource
from kdl_runtime.webhook import selfsigned
from kdl_runtime.webhook.bundles import VALIDATING
from kdl_runtime.webhook.rotation import Material, rotated
from kdl_runtime.webhook.selfsigned import SelfSigned
from kdl_testing.direct import DirectTransport
from unit.kdl_runtime.webhook.replicas import DAY, HOSTS, HOUR, World, in_a_world, options
from unit.kdl_runtime.webhook.trust import served, trusts


class Observer:
    """What API servers trust that hear of a change up to ``LAG`` later, and whether that fits what replicas serve."""

    LAG = timedelta(minutes=45)

    def __init__(self, world: World) -> None:
        self._world = world
        self._written: list[tuple[datetime, bytes]] = []
        self._shown: dict[SelfSigned, bytes] = {}
        self.certificates: set[bytes] = set()
        self.changes = 0
        self.problems: list[str] = []

    def on_write(self, resource: Resource, _verb: str, raw: bytes) -> None:
        if resource == VALIDATING:
            bundle = b64decode(decode(raw)["webhooks"][0]["clientConfig"].get("caBundle", ""))
            self._written.append((self._world.clock.now(), bundle))
            self.changes += 1
        self.check()

    def check(self) -> None:
        """At every change, and whenever else somebody asks."""
        now = self._world.clock.now()
        older = [bundle for at, bundle in self._written if at <= now - self.LAG][-1:]
        recent = [(at, bundle) for at, bundle in self._written if at > now - self.LAG]
        for replica in [replica for replica in self._world.replicas if replica.certificate]:
            if self._shown.get(replica) != replica.certificate:
                self._shown[replica] = replica.certificate
                self.certificates.add(served(replica.context))
            shown = ssl.PEM_cert_to_DER_cert(replica.certificate.decode())
            assert shown in self.certificates
            for bundle in [*older, *(bundle for _, bundle in recent)]:
                if reason := trusts(bundle, shown, HOSTS[0], now):
                    self.problems.append(f"{now}: {reason}")


class Observed(SelfSigned):
    """Tells the observer of every look, after which another certificate may be served."""

    observer: Observer

    async def look(self) -> None:
        await super().look()
        self.observer.check()


async def live(world: World, observer: Observer, seed: int, days: int) -> None:
    """Two replicas, of which one at a time is away for weeks, and an API server that is away for days."""
    rng = random.Random(seed)
    transports: list[DirectTransport] = []

    async def begin() -> None:
        transports.append(DirectTransport(world.server))
        client = Client(transports[-1], world.clock)
        client.on_write(observer.on_write)
        replica = Observed(client, options(interval=12 * HOUR), world.clock, world.metrics, rng)
        replica.observer = observer
        world.replicas.append(replica)
        await replica.start()

    for _ in range(2):
        await begin()
    back, healed = 40, 90
    for day in range(days):
        if day == back - 15:
            gone = world.replicas.pop(rng.randrange(2))
            await gone.stop()
        elif day == back:
            await begin()
            back = day + rng.randrange(20, 60)
        if day == healed - 2:
            for transport in transports:
                transport.sever()
        elif day >= healed:
            for transport in transports:
                transport.heal()
            healed = day + rng.randrange(60, 120)
        await world.clock.sleep(day * DAY + rng.uniform(0, DAY) - world.clock.monotonic())
        observer.check()


@pytest.mark.parametrize("seed", [1])
def test_two_years_of_rotations_with_a_chain_that_is_always_valid_and_trusted(seed: int) -> None:
    async def body(world: World) -> None:
        observer = Observer(world)
        await live(world, observer, seed, 760)
        assert observer.problems == []
        assert 10 <= len(observer.certificates) <= 20
        assert 6 <= observer.changes <= 20
        assert len((await world.bundle()).split(b"BEGIN")) <= 3

    in_a_world(body)


def forgets_the_old(material: Material | None, *arguments: Any, **trusted: Any) -> Material:
    made = rotated(material, *arguments, **trusted)
    return replace(made, authorities=made.authorities[:1])


def signs_at_once(material: Material | None, *arguments: Any, **trusted: Any) -> Material:
    made = rotated(material, *arguments, **trusted)
    if material is not None and made.authorities != material.authorities:
        serving = new_server_certificate(made.authority, HOSTS, arguments[1], timedelta(days=90))
        made = replace(made, serving=serving)
    return made


@pytest.mark.parametrize("fault", [forgets_the_old, signs_at_once])
def test_the_observer_sees_a_rotation_that_is_wrong(fault: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selfsigned, "rotated", fault)

    async def body(world: World) -> None:
        observer = Observer(world)
        await live(world, observer, 1, 250)
        assert observer.problems

    in_a_world(body)
