"""kopf: the cheapest handler that it has. It stores nothing on the objects and posts no events."""

import logging
from typing import Any

import kopf

from bench.runtime.contenders.kdl import of_dict
from bench.runtime.probe import Probe


def run(url: str, probe: Probe) -> None:
    """``kopf.on.event``, with the raw object that the event brought."""
    _operate(url, probe, kopf.OperatorRegistry())


def run_indexed(url: str, probe: Probe) -> None:
    """With an index that keeps the objects, since kopf has no cache otherwise."""
    registry = kopf.OperatorRegistry()

    @kopf.index("pods", registry=registry)
    async def kept(namespace: str | None, name: str | None, body: kopf.Body, **_: Any) -> dict[Any, Any]:
        return {(namespace, name): body}

    _operate(url, probe, registry)


def _operate(url: str, probe: Probe, registry: kopf.OperatorRegistry) -> None:
    logging.getLogger().setLevel(logging.WARNING)
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.ConnectionInfo:
        return kopf.ConnectionInfo(server=url)

    @kopf.on.event("pods", registry=registry)
    async def reconcile(event: kopf.RawEvent, **_: Any) -> None:
        probe.reconcile(of_dict(event["object"]))

    kopf.run(registry=registry, settings=settings, clusterwide=True, standalone=True)
