"""Where a setting of a controller comes from."""

import asyncio
from dataclasses import fields
from typing import Any

import pytest

from kdl_runtime.backoff import BackoffPolicy
from kdl_runtime.cache.spec import WatchSpec
from kdl_runtime.controller.controller import Controller
from kdl_runtime.controller.options import ControllerOptions, ControllerSettings, resolve
from kdl_runtime.manager.manager import ManagerOptions, group_kind
from kdl_runtime.resources.registry import CONFIGMAPS, CRDS, PODS
from kdl_runtime.types import Request
from unit.kdl_runtime.controller.world import World, in_a_world

OTHER = ControllerSettings(
    max_concurrent_reconciles=7,
    reconcile_timeout=3.0,
    cache_sync_timeout=9.0,
    backoff=BackoffPolicy(base=1.0),
    initial_priority=0,
    age_after=0.0,
    leader_election=False,
    warmup=True,
)


@pytest.mark.parametrize("name", [field.name for field in fields(ControllerSettings)])
def test_each_setting_comes_from_the_controller_then_the_manager_then_the_default(name: str) -> None:
    other, default = getattr(OTHER, name), getattr(ControllerSettings(), name)
    assert other != default
    said, silent = ControllerOptions(**{name: other}), ControllerOptions()
    assert resolve(silent, silent) == ControllerSettings()
    assert getattr(resolve(silent, said), name) == other
    assert getattr(resolve(said, ControllerOptions(**{name: default})), name) == other
    assert getattr(resolve(ControllerOptions(**{name: default}), said), name) == default


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_concurrent_reconciles": 0}, "max_concurrent_reconciles is 0: it must be at least 1"),
        ({"reconcile_timeout": -1.0}, "reconcile_timeout is -1 s: it cannot be negative"),
        ({"cache_sync_timeout": -1.0}, "cache_sync_timeout is -1 s: it cannot be negative"),
        ({"age_after": -0.5}, "age_after is -0.5 s: it cannot be negative"),
    ],
)
def test_settings_that_cannot_be_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ControllerOptions(**options)


@pytest.mark.parametrize(("resource", "name"), [(PODS, "Pod"), (CRDS, "CustomResourceDefinition.apiextensions.k8s.io")])
def test_a_kind_is_called_as_kubernetes_calls_it(resource: Any, name: str) -> None:
    assert group_kind(resource) == name


@pytest.mark.parametrize(("own", "expected"), [(None, 4), (2, 2)])
def test_workers_can_be_given_by_kind(own: int | None, expected: int) -> None:
    options = ManagerOptions(
        "0", "0", kind_concurrency={"ConfigMap": 4}, controllers=ControllerOptions(max_concurrent_reconciles=9)
    )

    async def body(world: World) -> None:
        most = active = 0

        async def reconcile(_request: Request) -> None:
            nonlocal most, active
            active += 1
            most = max(most, active)
            await asyncio.sleep(1)
            active -= 1

        maps = world.manager.cache.declare(WatchSpec(CONFIGMAPS))
        world.manager.add(Controller("maps", reconcile, ControllerOptions(max_concurrent_reconciles=own)).for_(maps))
        pods = Controller("pods", reconcile).for_(world.manager.cache.declare(WatchSpec(PODS)))
        world.manager.add(pods)
        for number in range(20):
            await world.stranger.create(CONFIGMAPS, {"metadata": {"namespace": "default", "name": f"a{number}"}})
        await world.start()
        await world.clock.sleep(10)
        assert most == expected
        assert pods.settings.max_concurrent_reconciles == 9
        assert world.manager.metrics.value("controller_runtime_max_concurrent_reconciles", controller="pods") == 9

    in_a_world(body, options)


def test_workers_of_a_kind_are_checked() -> None:
    with pytest.raises(ValueError, match=r"kind_concurrency\['Pod'\] is 0"):
        ManagerOptions(kind_concurrency={"Pod": 0})
