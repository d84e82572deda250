"""A small operator of somebody who embeds the runtime, and its simulation: each ConfigMap gets a Secret of its name."""

import random
from collections.abc import Iterable, Sequence

from kdl_runtime import Controller, Manager, ObjectKey, Request, Result, WatchSpec
from kdl_runtime.errors import AlreadyExists
from kdl_runtime.resources.registry import CONFIGMAPS, SECRETS
from kdl_testing.sim import Action, Dice, Settings, Simulation

BROKEN = "broken"
"""Name of the ConfigMap that ``Careless`` forgets."""


class Copies(Simulation):
    settings = Settings(dice=Dice(duration=30.0, most_faults=2), limit=300.0, reconciled={"copies": CONFIGMAPS})
    forgotten = ""

    @classmethod
    def draw(cls, rng: random.Random) -> Sequence[Action]:
        names = ("a", BROKEN) if rng.random() < 0.5 else ("a", "b")
        return [Action(rng.uniform(1, 20), "create", name) for name in names]

    async def build(self, manager: Manager) -> None:
        configmaps = manager.cache.declare(WatchSpec(CONFIGMAPS))
        secrets = manager.cache.declare(WatchSpec(SECRETS))

        async def reconcile(request: Request) -> Result | None:
            if configmaps.get(request) is not None and secrets.get(request) is None:
                await self.copy(manager, request)
            return None

        manager.add(Controller("copies", reconcile).for_(configmaps))

    async def copy(self, manager: Manager, request: Request) -> None:
        if request.name == self.forgotten:
            return
        try:
            await manager.client.create(SECRETS, {"metadata": {"namespace": request.namespace, "name": request.name}})
        except AlreadyExists:
            return

    async def act(self, action: Action) -> None:
        await self.world.user.create(CONFIGMAPS, {"metadata": {"namespace": "default", "name": action.subject}})

    def problems(self) -> Iterable[str]:
        for obj in self.world.direct.list(CONFIGMAPS, "default"):
            name = obj["metadata"]["name"]
            if self.world.direct.find(SECRETS, "default", name) is None:
                yield f"{ObjectKey('default', name)} has no copy"


class Careless(Copies):
    """The same with a bug."""

    forgotten = BROKEN
