"""References, and the claim table."""

from typing import Any

import pytest

from kdl_runtime.client.client import ListOptions
from kdl_runtime.codec.meta import ObjectMeta, OwnerReference, PartialObject
from kdl_runtime.controller.ownership import (
    AlreadyOwnedError,
    Claim,
    Claimer,
    OwnershipError,
    decide_claim,
    set_controller_reference,
)
from kdl_runtime.resources.registry import CONFIGMAPS, NODES, SECRETS
from kdl_runtime.types import ObjectKey
from unit.kdl_runtime.controller.world import World, in_a_world

OWNER = {"metadata": {"name": "o", "namespace": "ns", "uid": "u-o"}}
REFERENCE = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "name": "o",
    "uid": "u-o",
    "controller": True,
    "blockOwnerDeletion": True,
}
OTHER = {"apiVersion": "v1", "kind": "Secret", "name": "x", "uid": "u-x"}


def child(*references: dict[str, Any], namespace: str = "ns") -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": "c", "namespace": namespace}
    return {"metadata": metadata | ({"ownerReferences": list(references)} if references else {})}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param((), [REFERENCE], id="the first"),
        pytest.param((OTHER,), [OTHER, REFERENCE], id="beside a mere owner"),
        pytest.param((REFERENCE | {"uid": "old"}, OTHER), [REFERENCE, OTHER], id="in place of its predecessor"),
        pytest.param((REFERENCE | {"apiVersion": "v2"},), [REFERENCE], id="in place of another version"),
    ],
)
def test_set_controller_reference(before: tuple[dict[str, Any], ...], after: list[dict[str, Any]]) -> None:
    obj = child(*before)
    set_controller_reference(OWNER, CONFIGMAPS, obj)
    assert obj["metadata"]["ownerReferences"] == after


def test_a_cluster_scoped_owner_may_own_anything() -> None:
    node = PartialObject(metadata=ObjectMeta(name="n", uid="u-n"))
    obj = child()
    set_controller_reference(node, NODES, obj, block_owner_deletion=False)
    assert obj["metadata"]["ownerReferences"][0]["blockOwnerDeletion"] is False


@pytest.mark.parametrize(
    ("owner", "obj", "error", "message"),
    [
        (OWNER, child(OTHER | {"controller": True}), AlreadyOwnedError, "controlled by Secret x already"),
        (OWNER, child(namespace="other"), OwnershipError, "must be in one namespace"),
        (OWNER, child(namespace=""), OwnershipError, "c has no namespace"),
        ({"metadata": {"name": "o", "namespace": "ns"}}, child(), OwnershipError, "ConfigMap ns/o has no UID yet"),
    ],
)
def test_impossible_owners(owner: dict[str, Any], obj: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        set_controller_reference(owner, CONFIGMAPS, obj)


def meta(controller: str = "", *, deleted: bool = False, namespace: str = "ns", uid: str = "u-c") -> ObjectMeta:
    references = (OwnerReference("v1", "ConfigMap", "o", controller, True),) if controller else ()
    timestamp = "2026-01-31T12:00:00Z" if deleted else None
    return ObjectMeta(name="c", namespace=namespace, uid=uid, deletion_timestamp=timestamp, owner_references=references)


@pytest.mark.parametrize(
    ("possible", "owner_deleted", "selected", "claim"),
    [
        (meta("u-x"), False, True, Claim.IGNORE),
        (meta("u-o"), False, True, Claim.KEEP),
        (meta("u-o"), True, True, Claim.KEEP),
        (meta("u-o", deleted=True), False, True, Claim.KEEP),
        (meta("u-o"), False, False, Claim.RELEASE),
        (meta("u-o"), True, False, Claim.IGNORE),
        (meta(), False, True, Claim.ADOPT),
        (meta(), False, False, Claim.IGNORE),
        (meta(), True, True, Claim.IGNORE),
        (meta(deleted=True), False, True, Claim.IGNORE),
        (meta(namespace="other"), False, True, Claim.IGNORE),
    ],
)
def test_decide_claim(possible: ObjectMeta, owner_deleted: bool, selected: bool, claim: Claim) -> None:
    owner = meta(uid="u-o", deleted=owner_deleted)
    assert decide_claim(possible, owner, selected=selected) is claim


def test_claiming_adopts_keeps_and_releases() -> None:
    async def body(world: World) -> None:
        client = world.client
        await client.create(CONFIGMAPS, {"metadata": {"name": "o", "namespace": "default"}})
        await client.create(SECRETS, {"metadata": {"name": "c", "namespace": "default"}})
        key = ObjectKey("default", "c")
        owner = await client.get(CONFIGMAPS, ObjectKey("default", "o"), as_=PartialObject)

        async def claim(selected: bool) -> bool:
            secret = await client.get(SECRETS, key, as_=PartialObject)
            return await Claimer(client, CONFIGMAPS, owner).claim(SECRETS, secret, selected=selected)

        assert await claim(True)
        adopted = await client.get(SECRETS, key, as_=PartialObject)
        assert adopted.metadata.controller is not None
        assert adopted.metadata.controller.uid == owner.metadata.uid
        assert await claim(True)
        assert not await claim(False)
        released = await client.get(SECRETS, key, as_=PartialObject)
        assert released.metadata.owner_references == ()

    in_a_world(body)


def test_an_owner_that_is_gone_adopts_nothing() -> None:
    async def body(world: World) -> None:
        client = world.client
        await client.create(CONFIGMAPS, {"metadata": {"name": "o", "namespace": "default"}})
        owner = await client.get(CONFIGMAPS, ObjectKey("default", "o"), as_=PartialObject)
        await client.delete(CONFIGMAPS, ObjectKey("default", "o"))
        await client.create(SECRETS, {"metadata": {"name": "c", "namespace": "default"}})
        secrets = await client.list(SECRETS, "default", ListOptions(), as_=PartialObject)
        claimer = Claimer(client, CONFIGMAPS, owner)
        assert [await claimer.claim(SECRETS, secret, selected=True) for secret in secrets] == [False]

    in_a_world(body)
