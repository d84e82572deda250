"""Three operators of the runtime under every fault, with what must hold of each.

``PYTHONPATH=test python -m kdl_testing.sim sim.runtime.simulations:Sets --seeds 0:2000`` plays one.
"""

import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from kdl_local.apiserver.request import Request, Response
from kdl_runtime.errors import TransportError
from kdl_runtime.manager.manager import Manager
from kdl_runtime.resources.registry import CONFIGMAPS
from kdl_testing.sim import FaultKind, Scenario, Settings, World, Write, check_reachable
from sim.runtime import batches, buckets, sets
from sim.runtime.kinds import BATCHES, BUCKETS, SETS, definition
from sim.runtime.users import NAMESPACE, Users, owner_of

PROCESS = "process-"
"""What the names of processes begin with."""


class Children(Users):
    """Rules for operators that own ConfigMaps."""

    children = CONFIGMAPS

    def written(self, write: Write) -> None:
        if write.resource != CONFIGMAPS or not write.actor.startswith(PROCESS):
            return
        before = write.before
        if before is not None and (owner_of(before) or {}).get("kind") != self.resource.kind:
            self.world.violated(write.actor, f"touches the ConfigMap {write.key}, which is not its own")

    def owned(self) -> dict[str, list[Mapping[str, Any]]]:
        """By the UID of the owner."""
        found: dict[str, list[Mapping[str, Any]]] = {}
        for child in self.world.direct.list(CONFIGMAPS, NAMESPACE):
            owner = owner_of(child)
            if owner is not None:
                found.setdefault(owner["uid"], []).append(child)
        return found

    def problems(self) -> Iterator[str]:
        yield from super().problems()
        owned, objects, alive = self.owned(), self.objects(), self.alive()
        for uid, orphans in owned.items():
            if uid not in alive:
                yield f"{orphans[0]['metadata']['name']} is left over from an owner that is gone"
        for obj in objects.values():
            yield from self.child_problems(obj, owned.get(obj["metadata"]["uid"], []))

    def child_problems(self, obj: Mapping[str, Any], children: list[Mapping[str, Any]]) -> Iterator[str]:
        raise NotImplementedError


class Sets(Children):
    """Children with names that follow from their owner's."""

    resource = SETS
    definitions = (definition(SETS),)
    settings = Settings(dice=Users.dice, collected=(CONFIGMAPS,), reconciled={sets.NAME: SETS})

    def __init__(self, world: World, scenario: Scenario) -> None:
        super().__init__(world, scenario)
        self._last_revision = 0
        if not any(scenario.faults):
            world.gateway.on_answer = self._check_change

    async def build(self, manager: Manager) -> None:
        sets.build(manager, self.mischief)

    @classmethod
    def draw_spec(cls, rng: random.Random) -> dict[str, Any]:
        return {"count": rng.randint(0, 3), "text": rng.choice(("one", "two"))}

    @classmethod
    def unreadable_spec(cls) -> dict[str, Any]:
        return {"count": "many"}

    def child_problems(self, obj: Mapping[str, Any], children: list[Mapping[str, Any]]) -> Iterator[str]:
        name, spec = obj["metadata"]["name"], obj["spec"]
        wanted = {f"{name}-{index}": {"text": spec["text"]} for index in range(spec["count"])}
        found = {child["metadata"]["name"]: child["data"] for child in children}
        if found != wanted:
            yield f"{name} wants {wanted} and has {found}"
        status = {"ready": spec["count"], "text": spec["text"]}
        if (status["ready"] or status["text"]) and obj.get("status") != status:
            yield f"{name} has the status {obj.get('status')} and should have {status}"

    def _check_change(self, request: Request, response: Response) -> None:
        """Where nothing goes wrong, nothing is written that is so already."""
        if response.status < 300 and request.method in ("PATCH", "PUT") and request.user in self._names():
            revision = int(json.loads(response.complete)["metadata"]["resourceVersion"])
            if revision <= self._last_revision:
                self.world.violated(request.user, f"{request.method} {request.path} changes nothing")
            self._last_revision = revision

    def _names(self) -> set[str]:
        return {process.name for process in self.world.processes}


class Batches(Children):
    """Children with names that the API server gives."""

    resource = BATCHES
    definitions = (definition(BATCHES),)
    settings = Settings(dice=Users.dice, collected=(CONFIGMAPS,), reconciled={batches.NAME: BATCHES})
    forgetting: ClassVar[frozenset[FaultKind]] = frozenset(
        {
            *(FaultKind.LOST_ANSWER, FaultKind.REFUSED, FaultKind.CRASH, FaultKind.STOP, FaultKind.CUT),
            *(FaultKind.OVERLAP, FaultKind.GAP, FaultKind.RESTORE, FaultKind.PAUSE, FaultKind.BLOCK),
            *(FaultKind.SILENCE, FaultKind.LATENCY),
        }
    )
    """Under these an operator may make a child too many, for a time: what was expected is forgotten with the process,
    after some time, and when an answer is lost."""

    def __init__(self, world: World, scenario: Scenario) -> None:
        super().__init__(world, scenario)
        self._strict = not any(fault.kind in self.forgetting for _, fault in scenario.faults) and not any(
            action.kind in ("block", "hang") for action in scenario.actions
        )
        self._living: Counter[str] = Counter()
        self._most: Counter[str] = Counter()

    async def build(self, manager: Manager) -> None:
        batches.build(manager, self.mischief)

    @classmethod
    def draw_spec(cls, rng: random.Random) -> dict[str, Any]:
        return {"count": rng.randint(0, 3)}

    @classmethod
    def unreadable_spec(cls) -> dict[str, Any]:
        return {"count": "many"}

    def written(self, write: Write) -> None:
        super().written(write)
        obj = write.after or write.before
        if obj is None:
            return
        if write.resource == BATCHES and isinstance(count := obj["spec"]["count"], int):
            uid = obj["metadata"]["uid"]
            self._most[uid] = max(self._most[uid], count)
        owner = owner_of(obj) if write.resource == CONFIGMAPS else None
        if owner is not None:
            self._living[owner["uid"]] += (write.after is not None) - (write.before is not None)
            if self._strict and self._living[owner["uid"]] > self._most[owner["uid"]]:
                self.world.violated(write.actor, f"{owner['name']} has more children than it ever wanted")

    def child_problems(self, obj: Mapping[str, Any], children: list[Mapping[str, Any]]) -> Iterator[str]:
        if len(children) != obj["spec"]["count"]:
            yield f"{obj['metadata']['name']} wants {obj['spec']['count']} children and has {len(children)}"


class Buckets(Users):
    """A finalizer, and a service outside."""

    resource = BUCKETS
    definitions = (definition(BUCKETS),)
    settings = Settings(dice=Users.dice, reconciled={buckets.NAME: BUCKETS})

    def __init__(self, world: World, scenario: Scenario) -> None:
        super().__init__(world, scenario)
        self.kept: dict[str, int] = {}
        """The buckets that there are, by UID."""
        self._seen: set[str] = set()
        self._excused: set[str] = set()
        """UIDs from before a restore. Their objects may be gone, or have lost their finalizer, and no operator can know
        of it in time: their buckets may be left over."""

    async def build(self, manager: Manager) -> None:
        buckets.build(manager, self, self.mischief)

    @classmethod
    def draw_spec(cls, rng: random.Random) -> dict[str, Any]:
        return {"size": rng.randint(1, 9)}

    @classmethod
    def unreadable_spec(cls) -> dict[str, Any]:
        return {"size": "large"}

    # ---- the service

    async def put(self, uid: str, size: int) -> None:
        await self._reach()
        self.kept[uid] = size
        await self._reach()

    async def remove(self, uid: str) -> None:
        await self._reach()
        self.kept.pop(uid, None)
        await self._reach()

    async def _reach(self) -> None:
        """It takes a moment, and fails now and then."""
        await self.world.clock.sleep(0.1)
        check_reachable()
        if self.world.rng.random() < 0.1 and self.world.now < 2 * self.settings.dice.duration:
            raise TransportError("the service does not answer")

    # ---- rules

    def written(self, write: Write) -> None:
        obj = write.after or write.before
        if write.resource == BUCKETS and obj is not None:
            uid = obj["metadata"]["uid"]
            self._seen.add(uid)
            if write.after is None and uid in self.kept and uid not in self._excused:
                self.world.violated(write.actor, f"{write.key.name} is gone, and its bucket is still there")

    def restored(self) -> None:
        self._excused |= self._seen

    def problems(self) -> Iterator[str]:
        yield from super().problems()
        wanted = {obj["metadata"]["uid"]: obj["spec"]["size"] for obj in self.objects().values()}
        left_over = self._excused - wanted.keys()
        found = {uid: size for uid, size in self.kept.items() if uid not in left_over}
        if found != wanted:
            yield f"there should be buckets {wanted}, and there are {found}"


SIMULATIONS = (Sets, Batches, Buckets)
