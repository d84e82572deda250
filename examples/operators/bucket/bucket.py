"""An operator for something outside of the cluster: a bucket in a storage service for each Bucket (crd.yaml).

A finalizer keeps the Bucket until the service has removed what belongs to it. Run it: python bucket.py http://storage:8000
"""

import asyncio
import sys
from collections.abc import Mapping
from typing import Any

import aiohttp

from kdl_runtime import (
    Client,
    Controller,
    Finalizer,
    HttpTransport,
    Manager,
    Patch,
    PatchType,
    Request,
    Resource,
    Result,
    SystemClock,
    TerminalError,
    WatchSpec,
    WriteOptions,
    load_config,
    run,
)

BUCKETS = Resource("example.com", "v1", "Bucket", "buckets")
FINALIZER = "example.com/bucket"
LOOK_AGAIN = 300.0
"""Seconds between two looks at the service, which tells nobody when a bucket is changed behind the operator's back."""

Bucket = Mapping[str, Any]


class Storage:
    """The service's HTTP API. Both calls may be repeated."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def ensure(self, name: str, megabytes: int) -> None:
        """TerminalError if the service does not want such a bucket; aiohttp.ClientError if it cannot be asked."""
        async with self._session.put(f"{self._url}/buckets/{name}", json={"megabytes": megabytes}) as answer:
            if answer.status == 422:
                raise TerminalError(f"the storage service refuses {megabytes} MB: {await answer.text()}")
            answer.raise_for_status()

    async def remove(self, name: str) -> bool:
        """Whether the bucket is gone; one that is not empty stays."""
        async with self._session.delete(f"{self._url}/buckets/{name}") as answer:
            if answer.status not in (404, 409):
                answer.raise_for_status()
            return answer.status != 409


def build(manager: Manager, storage: Storage, look_again: float = LOOK_AGAIN) -> None:
    buckets = manager.cache.declare(WatchSpec(BUCKETS))

    async def tell(bucket: Bucket, phase: str, message: str = "") -> None:
        status = {"phase": phase, "message": message}
        if bucket.get("status") != status:
            patch = Patch(PatchType.MERGE, {"status": status})
            await manager.client.patch(BUCKETS, key_of(bucket), patch, WriteOptions(subresource="status"))

    async def apply(bucket: Bucket) -> Result:
        try:
            await storage.ensure(name_of(bucket), bucket["spec"]["megabytes"])
        except TerminalError as error:
            await tell(bucket, "Refused", str(error))
            raise
        await tell(bucket, "Ready")
        return Result(requeue_after=look_again)

    async def cleanup(bucket: Bucket) -> Result | None:
        if await storage.remove(name_of(bucket)):
            return None  # Done: the finalizer comes off, and the Bucket goes.
        manager.events.event(bucket, "Warning", "NotEmpty", "The bucket is not empty: delete what is in it.")
        await tell(bucket, "Deleting", "not empty")
        return Result(requeue_after=look_again)

    finalizer = Finalizer(FINALIZER, apply, cleanup)

    async def reconcile(key: Request) -> Result | None:
        bucket = buckets.object(key)
        return None if bucket is None else await finalizer.reconcile(manager.client, BUCKETS, bucket)

    manager.add(Controller("bucket", reconcile).for_(buckets))


def key_of(bucket: Bucket) -> Request:
    return Request(bucket["metadata"]["namespace"], bucket["metadata"]["name"])


def name_of(bucket: Bucket) -> str:
    """In the service. A namespace contains no dot, so no two Buckets share a name."""
    return f"{bucket['metadata']['namespace']}.{bucket['metadata']['name']}"


async def main(url: str) -> None:
    async with aiohttp.ClientSession() as session, HttpTransport(load_config(), SystemClock()) as transport:
        manager = Manager(Client(transport, SystemClock()))
        build(manager, Storage(session, url))
        await run(manager)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
