import asyncio
from contextlib import aclosing
from typing import Any

from kdl_cli.follow import ADDED, DELETED, MODIFIED, SYNCED, Change, Target, follow
from kdl_runtime.types import ObjectKey


def brief(change: Change) -> tuple[str, str]:
    return change.type, change.object.get("metadata", {}).get("name", "")


async def test_changes_during_an_interruption_are_told_after_it(cluster: Any) -> None:
    client, resource = cluster.session.client, cluster.xgboost
    await cluster.create(resource, cluster.job("stays"))
    await cluster.create(resource, cluster.job("goes"))
    async with asyncio.timeout(10), aclosing(follow(cluster.session, Target(resource, "default"))) as changes:
        first = {brief(await anext(changes)) for _ in range(3)}
        assert first == {(ADDED, "stays"), (ADDED, "goes"), (SYNCED, "")}
        live = asyncio.ensure_future(anext(changes))
        await cluster.watched("xgboostjobs")
        await cluster.create(resource, cluster.job("new"))
        assert brief(await live) == (ADDED, "new")

        cluster.transport.sever()
        cluster.transport.heal()
        await client.delete(resource, ObjectKey("default", "goes"))
        after = {brief(await anext(changes)) for _ in range(4)}
    # The cut may be felt before or after the deletion: what counts is that it is told.
    assert (DELETED, "goes") in after
    assert after <= {(DELETED, "goes"), (MODIFIED, "stays"), (MODIFIED, "new"), (SYNCED, "")}
