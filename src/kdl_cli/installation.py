"""CRDs in a cluster: created or updated, and served before anyone goes on."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from kdl_cli.errors import CliError
from kdl_cli.follow import ADDED, MODIFIED, Target, follow
from kdl_cli.session import Session
from kdl_runtime.errors import Conflict, NotFound
from kdl_runtime.resources.registry import CRDS
from kdl_runtime.types import ObjectKey

ESTABLISH_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Installed:
    """``change`` is created, updated or unchanged."""

    name: str
    change: str


async def install(session: Session, crds: Sequence[Mapping[str, Any]]) -> list[Installed]:
    """Create or update all of them and wait until the API server serves them. CliError names one that it will not."""
    changes = [await _apply(session, crd) for crd in crds]
    await asyncio.gather(*(_established(session, installed.name) for installed in changes))
    return changes


async def _apply(session: Session, crd: Mapping[str, Any]) -> Installed:
    name = crd["metadata"]["name"]
    while True:
        try:
            present = await session.client.get(CRDS, ObjectKey("", name))
        except NotFound:
            await session.client.create(CRDS, crd)
            return Installed(name, "created")
        if covers(present["spec"], crd["spec"]):
            return Installed(name, "unchanged")
        try:
            await session.client.update(CRDS, {**present, "spec": crd["spec"]})
        except Conflict:
            continue
        return Installed(name, "updated")


def covers(present: Any, wanted: Any) -> bool:
    """Whether a spec holds all of another. The API server adds defaults around a schema and leaves the schema itself
    alone, so schemas must be equal: what was taken out of one is a change."""
    if isinstance(wanted, Mapping) and isinstance(present, Mapping):
        return all(
            name in present and (present[name] == value if name == "schema" else covers(present[name], value))
            for name, value in wanted.items()
        )
    if isinstance(wanted, list) and isinstance(present, list):
        return len(wanted) == len(present) and all(map(covers, present, wanted))
    return bool(present == wanted)


async def _established(session: Session, name: str) -> None:
    try:
        async with (
            asyncio.timeout(ESTABLISH_SECONDS),
            aclosing(follow(session, Target.one(CRDS, ObjectKey("", name)))) as changes,
        ):
            async for change in changes:
                if change.type in (ADDED, MODIFIED) and _serves(name, change.object):
                    return
    except TimeoutError as error:
        raise CliError(f"CRD {name} is not served after {ESTABLISH_SECONDS:.0f} s: look at its conditions") from error


def _serves(name: str, crd: Mapping[str, Any]) -> bool:
    """Whether it is established. CliError if its names are taken, which no waiting mends."""
    conditions = {item["type"]: item for item in (crd.get("status") or {}).get("conditions") or ()}
    accepted = conditions.get("NamesAccepted", {})
    if accepted.get("status") == "False":
        raise CliError(f"CRD {name}: the cluster does not accept its names: {accepted.get('message')}")
    return bool(conditions.get("Established", {}).get("status") == "True")
