"""An operator that may not do what it needs says what that is, and begins when it may. On the real control plane."""

import asyncio
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
import structlog

from envtest.controllers.world import OPTIONS, World, until
from kdl_runtime import Controller, Manager, Request, Resource, WatchSpec
from kdl_runtime.errors import NotSyncedError
from kdl_runtime.resources.registry import CONFIGMAPS
from kdl_runtime.transport.config import ClusterConfig
from kdl_runtime.transport.kubeconfig import load_config
from kdl_testing.envtest import ServiceAccount

ROLES = Resource("rbac.authorization.k8s.io", "v1", "Role", "roles")
BINDINGS = Resource("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings")
ACCOUNT = "operator"


async def account(world: World) -> ClusterConfig:
    """A service account that may do nothing."""
    path = await asyncio.to_thread(world.cluster.service_account, ServiceAccount(world.namespace, ACCOUNT))
    return load_config(str(path))


async def allow(world: World, *verbs: str) -> None:
    """It may do that with ConfigMaps in its namespace."""
    await world.apply(ROLES, ACCOUNT, rules=[{"apiGroups": [""], "resources": ["configmaps"], "verbs": list(verbs)}])
    role = {"apiGroup": ROLES.group, "kind": "Role", "name": ACCOUNT}
    subject = {"kind": "ServiceAccount", "namespace": world.namespace, "name": ACCOUNT}
    await world.apply(BINDINGS, ACCOUNT, roleRef=role, subjects=[subject])


def refusal(world: World, verb: str) -> str:
    user = f"system:serviceaccount:{world.namespace}:{ACCOUNT}"
    return f'User "{user}" cannot {verb} resource "configmaps"'


class Copies:
    """Writes a second key to each ConfigMap."""

    def __init__(self) -> None:
        self.errors: list[str] = []

    def build(self, manager: Manager) -> None:
        maps = manager.cache.declare(WatchSpec(CONFIGMAPS, field_selector="metadata.name=original"))

        async def reconcile(key: Request) -> None:
            found = maps.object(key)
            if found is None or "copy" in found["data"]:
                return
            try:
                await manager.client.update(CONFIGMAPS, {**found, "data": {**found["data"], "copy": "1"}})
            except Exception as error:
                self.errors.append(str(error))
                raise

        manager.add(Controller("copies", reconcile).for_(maps))


async def test_a_start_that_waits_too_long_names_the_right_that_is_missing(real_world: World) -> None:
    world, config = real_world, await account(real_world)
    with pytest.raises(NotSyncedError) as caught:
        async with world.operator(Copies().build, replace(OPTIONS, cache_sync_timeout=1.5), config) as manager:
            await manager.wait_started()
    message = str(caught.value)
    assert "the first list of: configmaps" in message
    assert refusal(world, "list") in message or refusal(world, "watch") in message


async def test_an_operator_without_rights_is_not_ready_and_says_why_and_begins_when_it_may(real_world: World) -> None:
    world, config = real_world, await account(real_world)
    await world.apply(CONFIGMAPS, "original", data={"a": "1"})
    operator = Copies()
    options = replace(OPTIONS, health_probe_bind_address="127.0.0.1:0")
    with structlog.testing.capture_logs() as logs:
        async with world.operator(operator.build, options, config) as manager, aiohttp.ClientSession() as session:

            async def probe(path: str) -> tuple[int, str]:
                assert manager.probe_address is not None
                async with session.get(f"http://{manager.probe_address}{path}") as answer:
                    return answer.status, await answer.text()

            def refused(entry: Any) -> bool:
                return "cannot" in entry.get("error", "") and entry.get("watch", "").startswith("configmaps")

            async def reported() -> bool:
                return any(refused(entry) for entry in logs)

            await until(reported, "the log says what the watch lacks")
            failed = next(entry for entry in logs if refused(entry))
            assert failed["event"] == "watch failed"
            assert "Forbidden" in failed["error"]
            assert refusal(world, "list") in failed["error"] or refusal(world, "watch") in failed["error"]

            status, text = await probe("/readyz")
            assert (status, "[-]cache failed" in text) == (500, True)
            status, reason = await probe("/readyz/cache")
            assert (status, "configmaps" in reason) == (500, True)
            assert "system:serviceaccount" in reason
            assert (await probe("/healthz"))[0] == 200

            await allow(world, "list", "watch")

            async def ready() -> bool:
                return (await probe("/readyz"))[0] == 200

            await until(ready, "the operator is ready, with the rights that came later")

            async def refused_to_write() -> bool:
                return bool(operator.errors)

            await until(refused_to_write, "the reconciler was told that it may not write")
            assert refusal(world, "update") in operator.errors[0]
            failures = [entry for entry in logs if entry["event"] == "reconciliation failed"]
            assert refusal(world, "update") in failures[0]["error"]
