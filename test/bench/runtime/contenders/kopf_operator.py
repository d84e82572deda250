"""kopf: the cheapest handler that it has. It stores nothing on the objects and posts no events."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import kopf

from bench.runtime.contenders.kdl import of_dict
from bench.runtime.probe import Probe


def run(url: str, probe: Probe) -> None:
    """``kopf.on.event``, with the raw object that the event brought; none is kept."""

    async def reconcile(event: kopf.RawEvent, **_: Any) -> None:
        probe.reconcile(of_dict(event["object"]))

    _operate(url, reconcile)


def run_keeping(url: str, probe: Probe) -> None:
    """The same with a dict of the objects, since kopf keeps none."""
    kept: dict[tuple[str | None, str | None], Any] = {}

    async def reconcile(event: kopf.RawEvent, namespace: str | None, name: str | None, **_: Any) -> None:
        kept[namespace, name] = event["object"]
        probe.reconcile(of_dict(event["object"]))

    _operate(url, reconcile)


def _operate(url: str, reconcile: Callable[..., Awaitable[None]]) -> None:
    logging.getLogger().setLevel(logging.WARNING)
    registry, settings = kopf.OperatorRegistry(), kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.ConnectionInfo:
        return kopf.ConnectionInfo(server=url)

    kopf.on.event("pods", registry=registry)(reconcile)
    kopf.run(registry=registry, settings=settings, clusterwide=True, standalone=True)
