"""Every pod that there ever was in a namespace, as last seen."""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from typing import Any

from e2e.api import Api
from kdl_runtime.client.client import Client
from kdl_runtime.client.options import WatchOptions
from kdl_runtime.codec.json import decode
from kdl_runtime.errors import KdlError
from kdl_runtime.resources.registry import PODS

Object = dict[str, Any]

_PAUSE_SECONDS = 0.2
_WATCH_SECONDS = 60


class PodHistory:
    """Follows the pods by a watch from the beginning of the namespace to ``stop``. After an outage of the API server
    it lists again: what came and went in between, nobody can have seen."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._namespace = namespace
        self._pods: dict[str, Object] = {}
        self._following: Future[None] = api.start(self._follow)

    def stop(self) -> None:
        self._following.cancel()

    def all(self) -> list[Object]:
        return list(self._pods.values())

    def named(self, name: str) -> list[Object]:
        """All pods that had this name, oldest first."""
        return [pod for pod in self.all() if pod["metadata"]["name"] == name]

    def uids(self, name: str) -> list[str]:
        return [pod["metadata"]["uid"] for pod in self.named(name)]

    def nodes(self) -> set[str]:
        """The nodes on which pods have started."""
        return {
            pod["spec"]["nodeName"]
            for pod in self.all()
            if pod["spec"].get("nodeName") and pod.get("status", {}).get("startTime")
        }

    async def _follow(self, client: Client) -> None:
        while True:
            with contextlib.suppress(KdlError, TimeoutError):
                await self._until_it_ends(client)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _until_it_ends(self, client: Client) -> None:
        page = await client.list_page(PODS, self._namespace)
        for raw in page.items or ():
            self._see(decode(raw))
        options = WatchOptions(resource_version=page.metadata.resource_version, timeout_seconds=_WATCH_SECONDS)
        async with (
            asyncio.timeout(_WATCH_SECONDS + 10),
            client.watch(PODS, self._namespace, options) as events,
        ):
            async for event in events:
                if event.type == "ERROR":
                    return
                if event.type != "BOOKMARK":
                    self._see(decode(event.object))

    def _see(self, pod: Object) -> None:
        self._pods[pod["metadata"]["uid"]] = {"kind": "Pod", **pod}


def restarts(pod: Mapping[str, Any]) -> int:
    """How often the kubelet has started containers of the pod again."""
    return sum(status.get("restartCount", 0) for status in _statuses(pod))


def exit_codes(pod: Mapping[str, Any]) -> list[int]:
    """Of the containers that have ended."""
    ended = (status.get("state", {}).get("terminated") for status in _statuses(pod))
    return [state["exitCode"] for state in ended if state]


def _statuses(pod: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from pod.get("status", {}).get("containerStatuses") or ()
