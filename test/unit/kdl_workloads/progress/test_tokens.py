"""The key that operators share, and what it makes of a job's UID."""

import base64
import random
from itertools import permutations

import pytest

from kdl_runtime.errors import KdlError
from kdl_runtime.resources.registry import SECRETS
from kdl_workloads.progress.tokens import SECRET_NAME, Tokens, shared_key
from unit.kdl_workloads.operator.cluster import NAMESPACE, Cluster, Operator, on_virtual_time

KEY = bytes(range(32))


def test_each_job_has_a_token_of_its_own() -> None:
    tokens = Tokens(KEY)
    uids = ["a", "b", ""]
    for uid, other in permutations(uids, 2):
        assert tokens.check(uid, tokens.issue(uid))
        assert not tokens.check(uid, tokens.issue(other))
    assert tokens.issue("a") == Tokens(KEY).issue("a"), "the next operator knows it"
    assert not Tokens(bytes(32)).check("a", tokens.issue("a"))


@pytest.mark.parametrize("token", ["", "a", "\udcff", "ä" * 43])
def test_what_is_no_token(token: str) -> None:
    assert not Tokens(KEY).check("a", token)


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="has 31 bytes"):
        Tokens(bytes(31))


@on_virtual_time
async def test_operators_share_a_key() -> None:
    cluster = Cluster()
    client = Operator(cluster, build_controllers=False).manager.client
    keys = {await shared_key(client, NAMESPACE, random.Random(seed).randbytes) for seed in range(3)}
    assert keys == {random.Random(0).randbytes(32)}


@on_virtual_time
async def test_a_secret_without_a_key_is_explained() -> None:
    cluster = Cluster()
    client = Operator(cluster, build_controllers=False).manager.client
    data = {"key": base64.b64encode(b"short").decode()}
    cluster.direct.create(SECRETS, {"metadata": {"name": SECRET_NAME, "namespace": NAMESPACE}, "data": data})
    with pytest.raises(KdlError, match=f"Secret {NAMESPACE}/{SECRET_NAME} has no usable entry 'key'.*delete it"):
        await shared_key(client, NAMESPACE, random.Random(0).randbytes)
