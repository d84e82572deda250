"""kubectl apply --server-side, and the way to it from client-side apply."""

import json

import pytest

from conformance.api import Api
from conformance.applying import owners
from conformance.kubectl import Kubectl
from kdl_runtime.client.client import Client, Patch, PatchType, WriteOptions
from kdl_runtime.clock import SystemClock
from kdl_runtime.errors import Conflict
from kdl_runtime.resources.registry import CONFIGMAPS
from kdl_runtime.types import ObjectKey

SERVER_SIDE = ("apply", "--server-side", "-f", "-")


def manifest(**data: str) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "app"}, "data": data})


def stored(kubectl: Kubectl) -> dict[str, object]:
    found = json.loads(kubectl("get", "configmap", "app", "-o", "json", "--show-managed-fields").out)
    assert isinstance(found, dict)
    return found


def test_server_side_apply(kubectl: Kubectl) -> None:
    assert kubectl(*SERVER_SIDE, stdin=manifest(x="1")).out == "configmap/app serverside-applied\n"
    assert kubectl(*SERVER_SIDE, stdin=manifest(x="2")).out == "configmap/app serverside-applied\n"
    found = stored(kubectl)
    assert found["data"] == {"x": "2"}
    assert owners(found) == {"Apply kubectl": {"data/x"}}


def test_conflicts_and_how_to_force_them(kubectl: Kubectl) -> None:
    kubectl(*SERVER_SIDE, "--field-manager=other", stdin=manifest(x="1"))
    refused = kubectl.try_(*SERVER_SIDE, stdin=manifest(x="2"))
    assert refused.code != 0
    assert 'Apply failed with 1 conflict: conflict with "other": .data.x' in refused.err
    assert "--force-conflicts" in refused.err
    kubectl(*SERVER_SIDE, "--force-conflicts", stdin=manifest(x="2"))
    assert owners(stored(kubectl)) == {"Apply kubectl": {"data/x"}}


def test_server_side_diff(kubectl: Kubectl) -> None:
    kubectl(*SERVER_SIDE, stdin=manifest(x="1"))
    same = kubectl("diff", "--server-side", "-f", "-", stdin=manifest(x="1"))
    assert (same.code, same.out) == (0, "")
    changed = kubectl.try_("diff", "--server-side", "-f", "-", stdin=manifest(x="2"))
    assert changed.code == 1
    assert '-  x: "1"' in changed.out
    assert '+  x: "2"' in changed.out


def test_managed_fields_are_shown_when_asked_for(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=manifest(x="1"))
    assert "managedFields" not in kubectl("get", "configmap", "app", "-o", "yaml").out
    assert owners(stored(kubectl)) == {"Update kubectl-create": {"data", "data/x"}}


def test_from_client_side_apply_to_server_side(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=manifest(x="1", y="1"))
    assert set(owners(stored(kubectl))) == {"Update kubectl-client-side-apply"}
    kubectl(*SERVER_SIDE, stdin=manifest(x="2"))
    found = stored(kubectl)
    # kubectl takes over what it has applied on the client's side, so that what is not applied any more goes.
    assert found["data"] == {"x": "2"}
    assert "Update kubectl-client-side-apply" not in owners(found)
    assert '"x":"2"' in kubectl("apply", "view-last-applied", "configmap/app", "-o", "json").out.replace(" ", "")


def test_back_to_client_side_apply(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=manifest(x="1"))
    kubectl(*SERVER_SIDE, stdin=manifest(x="2"))
    assert "configured" in kubectl("apply", "-f", "-", stdin=manifest(x="3")).out
    assert stored(kubectl)["data"] == {"x": "3"}


async def test_the_client_of_the_runtime_applies(api: Api) -> None:
    client, key = Client(api.transport, SystemClock()), ObjectKey(api.namespace, "app")

    async def apply(manager: str, *, force: bool = False, **data: str) -> dict[str, object]:
        patch = Patch(PatchType.APPLY, json.loads(manifest(**data)))
        return await client.patch(CONFIGMAPS, key, patch, WriteOptions(field_manager=manager, force=force))

    assert owners(await apply("a", x="1")) == {"Apply a": {"data/x"}}
    with pytest.raises(Conflict) as caught:
        await apply("b", x="2")
    causes = caught.value.details["causes"]
    assert [(cause["field"], cause["reason"]) for cause in causes] == [(".data.x", "FieldManagerConflict")]
    assert owners(await apply("b", force=True, x="2")) == {"Apply b": {"data/x"}}
