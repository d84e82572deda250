"""What users do to the objects of a simulated operator, and the mischief that its reconciler is up to."""

import asyncio
import random
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, ClassVar, cast

from kdl_runtime.errors import AlreadyExists, KdlError, NotFound
from kdl_runtime.types import ObjectKey, Request, Resource
from kdl_testing.sim import Action, Dice, Scenario, Simulation, World
from kdl_testing.virtual_time import VirtualTimeLoop

NAMESPACE = "default"
DURATION = 60.0
MISCHIEF = ("raise", "hang", "block")
GONE = 600.0
"""Virtual seconds for which somebody waits until an object is gone."""


class MischiefError(Exception):
    """Raised by a reconciler that is to fail."""


class Users(Simulation):
    """Objects of one kind that come, change, become unreadable, and go."""

    resource: ClassVar[Resource]
    children: ClassVar[Resource | None] = None
    dice: ClassVar[Dice] = Dice(duration=DURATION)

    def __init__(self, world: World, scenario: Scenario) -> None:
        super().__init__(world, scenario)
        self._mischief: dict[str, list[Action]] = {}

    @classmethod
    @abstractmethod
    def draw_spec(cls, rng: random.Random) -> dict[str, Any]:
        raise NotImplementedError

    @classmethod
    @abstractmethod
    def unreadable_spec(cls) -> dict[str, Any]:
        """One that does not fit the projection of the operator."""
        raise NotImplementedError

    @classmethod
    def draw(cls, rng: random.Random) -> list[Action]:
        actions: list[Action] = []
        kinds = ["change", "change", "delete", "recreate", "touch", "spoil", *MISCHIEF]
        if cls.children is not None:
            kinds += ["child-delete", "child-delete", "occupy"]
        for name in "abc"[: rng.randint(1, 3)]:
            born = rng.uniform(0.0, DURATION / 2)
            actions.append(Action(born, "create", name, cls.draw_spec(rng)))
            for _ in range(rng.randint(0, 3)):
                kind = rng.choice(kinds)
                at = rng.uniform(0.0, DURATION) if kind in (*MISCHIEF, "occupy") else rng.uniform(born, DURATION)
                actions.append(Action(at, kind, name, cls._draw_value(rng, kind)))
        return actions

    @classmethod
    def _draw_value(cls, rng: random.Random, kind: str) -> Any:
        match kind:
            case "change" | "recreate" | "spoil":
                return cls.draw_spec(rng)
            case "delete":
                return rng.choice(("Background", "Foreground"))
            case "touch" | "child-delete":
                return rng.randrange(1000)
            case "occupy":
                return rng.uniform(1.0, 60.0)
            case "hang" | "block":
                return rng.choice((1.0, 15.0, 50.0))
            case _:
                return None

    async def act(self, action: Action) -> None:
        direct, resource, name = self.world.direct, self.resource, action.subject
        with suppress(AlreadyExists, NotFound):
            match action.kind:
                case "create":
                    direct.create(resource, self._object(name, action.value))
                case "change":
                    direct.patch(resource, NAMESPACE, name, {"spec": action.value})
                case "spoil":
                    direct.patch(resource, NAMESPACE, name, {"spec": self.unreadable_spec()})
                    await self.world.clock.sleep(20)
                    direct.patch(resource, NAMESPACE, name, {"spec": action.value})
                case "touch":
                    direct.patch(resource, NAMESPACE, name, {"metadata": {"annotations": {"n": str(action.value)}}})
                case "delete":
                    direct.delete(resource, NAMESPACE, name, propagation=action.value)
                case "recreate":
                    await self._recreate(name, action.value)
                case "child-delete":
                    self._delete_child(name, action.value)
                case "occupy":
                    await self._occupy(name, action.value)
                case _:
                    self._mischief.setdefault(name, []).append(action)

    async def _recreate(self, name: str, spec: Mapping[str, Any]) -> None:
        direct = self.world.direct
        uid = direct.delete(self.resource, NAMESPACE, name)["metadata"]["uid"]
        for _ in range(int(GONE)):
            found = direct.find(self.resource, NAMESPACE, name)
            if found is None or found["metadata"]["uid"] != uid:
                break
            await self.world.clock.sleep(1)
        direct.create(self.resource, self._object(name, spec))

    def _delete_child(self, name: str, number: int) -> None:
        assert self.children is not None
        found = [child for child in self.world.direct.list(self.children, NAMESPACE) if owner_name(child) == name]
        if found:
            self.world.direct.delete(self.children, NAMESPACE, found[number % len(found)]["metadata"]["name"])

    async def _occupy(self, name: str, span: float) -> None:
        """Something of somebody else has the name of the first child, for some time."""
        assert self.children is not None
        child = {"metadata": {"namespace": NAMESPACE, "name": f"{name}-0", "labels": {"of": "somebody-else"}}}
        self.world.direct.create(self.children, child)
        await self.world.clock.sleep(span)
        self._vacate(f"{name}-0")

    def _vacate(self, name: str) -> None:
        assert self.children is not None
        found = self.world.direct.find(self.children, NAMESPACE, name)
        if found is not None and owner_name(found) is None:
            self.world.direct.delete(self.children, NAMESPACE, name)

    def _object(self, name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
        return {"metadata": {"namespace": NAMESPACE, "name": name}, "spec": spec}

    # ---- for reconcilers

    async def mischief(self, request: Request) -> None:
        """What was planned for this object happens, once."""
        planned = self._mischief.get(request.name)
        if not planned:
            return
        action = planned.pop()
        self.world.timeline.effects[f"reconciler-{action.kind}"] += 1
        self.world.timeline.add("mischief", f"{action.kind} in the reconciliation of {request}")
        match action.kind:
            case "raise":
                raise MischiefError("on purpose")
            case "hang":
                await self.world.clock.sleep(action.value)
            case "block":
                cast(VirtualTimeLoop, asyncio.get_running_loop()).block(action.value)

    def expected(self, error: BaseException) -> bool:
        # Whoever does not go on after an answer that he did not get is right.
        return isinstance(error, MischiefError | TimeoutError | KdlError)

    # ---- for rules

    def alive(self) -> set[str]:
        """The UIDs of all objects that are there."""
        return {obj["metadata"]["uid"] for obj in self.world.direct.list(self.resource)}

    def objects(self) -> dict[ObjectKey, Mapping[str, Any]]:
        """Those that are there, and are not being deleted."""
        found = self.world.direct.list(self.resource)
        return {
            ObjectKey(obj["metadata"]["namespace"], obj["metadata"]["name"]): obj
            for obj in found
            if "deletionTimestamp" not in obj["metadata"]
        }

    def problems(self) -> Iterable[str]:
        # What was planned and has not come about will not any more.
        self._mischief.clear()
        if self.children is not None:
            # And what a restore has brought back is taken away again.
            for child in self.world.direct.list(self.children, NAMESPACE, "of=somebody-else"):
                self._vacate(child["metadata"]["name"])
        self._repair()
        return self._terminating()

    def _repair(self) -> None:
        """What cannot be read, as after a restore, is noticed by somebody in the end."""
        unreadable = self.unreadable_spec()
        for obj in self.world.direct.list(self.resource, NAMESPACE):
            if unreadable.items() <= obj["spec"].items():
                spec = self.draw_spec(random.Random(0))
                self.world.direct.patch(self.resource, NAMESPACE, obj["metadata"]["name"], {"spec": spec})

    def _terminating(self) -> list[str]:
        found = self.world.direct.list(self.resource)
        return [f"{o['metadata']['name']} is still to go" for o in found if "deletionTimestamp" in o["metadata"]]


def owner_of(child: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The reference to the controlling owner."""
    references = child["metadata"].get("ownerReferences") or ()
    return next((reference for reference in references if reference.get("controller")), None)


def owner_name(child: Mapping[str, Any]) -> str | None:
    reference = owner_of(child)
    return None if reference is None else str(reference["name"])
