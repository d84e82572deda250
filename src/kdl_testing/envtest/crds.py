"""Custom resource definitions: read, installed, and waited for until their objects can be written."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from kdl_runtime.client.client import Client
from kdl_runtime.codec.json import DecodeError, decode
from kdl_runtime.errors import AlreadyExists, ApiError, Conflict, KdlError, NotFound
from kdl_runtime.resources.registry import CRDS
from kdl_runtime.types import ObjectKey
from kdl_testing.envtest import manifests
from kdl_testing.envtest.manifests import ManifestError, Object

ESTABLISH_SECONDS = 30.0
_POLL_SECONDS = 0.05


class CrdError(KdlError):
    """Definitions cannot be read, or the API server does not serve them. One message tells of all of them."""


def load(sources: Iterable[Path | Object]) -> list[Object]:
    """Every CustomResourceDefinition in these files, directories (not those below them) and objects.

    Other objects in the files are passed over, as in a directory of manifests. CrdError for a source without any.
    """
    found: list[Object] = []
    for source in sources:
        if isinstance(source, Path):
            try:
                found += manifests.read(source, (CRDS.kind,))
            except ManifestError as error:
                raise CrdError(str(error)) from error
        else:
            found.append(source)
    return found


async def install(client: Client, definitions: Sequence[Object], timeout: float = ESTABLISH_SECONDS) -> None:
    """Creates the definitions, or replaces what is there, and waits until all are served.

    CrdError names those that the API server refuses, or that are not served ``timeout`` seconds later, with the reason.
    """
    problems: dict[str, str] = {}
    for definition in definitions:
        try:
            await _write(client, definition)
        except ApiError as error:
            problems[_name(definition)] = str(error)
    if problems:
        raise CrdError(_listing("the API server refuses", problems))
    deadline = asyncio.get_running_loop().time() + timeout
    waiting = list(definitions)
    while True:
        problems = {_name(item): problem for item in waiting if (problem := await _problem(client, item))}
        waiting = [item for item in waiting if _name(item) in problems]
        if not waiting:
            return
        if asyncio.get_running_loop().time() >= deadline:
            raise CrdError(_listing(f"not served after {timeout:g} s:", problems))
        await asyncio.sleep(_POLL_SECONDS)


async def _write(client: Client, definition: Object) -> None:
    try:
        await client.create(CRDS, definition)
    except AlreadyExists:
        while True:
            current = await client.get(CRDS, ObjectKey("", _name(definition)))
            metadata = {**definition["metadata"], "resourceVersion": current["metadata"]["resourceVersion"]}
            try:
                await client.update(CRDS, {**definition, "metadata": metadata})
            except Conflict:
                # The API server itself writes the status.
                continue
            return


async def _problem(client: Client, definition: Object) -> str:
    """Why the definition is not served yet; empty if it is."""
    try:
        current = await client.get(CRDS, ObjectKey("", _name(definition)))
    except NotFound:
        return "it has gone"
    conditions = {item["type"]: item for item in (current.get("status") or {}).get("conditions") or ()}
    refused = [item for type_, item in conditions.items() if type_ != "Established" and item["status"] == "False"]
    if (conditions.get("Established") or {}).get("status") != "True":
        return "; ".join(str(item.get("message", "")) for item in refused) or "it has no condition Established"
    spec = current["spec"]
    for version in spec["versions"]:
        if version["served"] and not await _is_served(client, spec["group"], version["name"], spec["names"]["plural"]):
            return f"version {version['name']} is not in discovery"
    return ""


async def _is_served(client: Client, group: str, version: str, plural: str) -> bool:
    """In discovery, and answering: the API server may take a moment from the one to the other."""
    try:
        resources = decode(await client.get_path(f"/apis/{group}/{version}"))["resources"]
        await client.get_path(f"/apis/{group}/{version}/{plural}", {"limit": "1"})
    except (ApiError, DecodeError):
        return False
    return any(item["name"] == plural for item in resources)


def _name(definition: Object) -> str:
    return str(definition["metadata"]["name"])


def _listing(headline: str, problems: Mapping[str, str]) -> str:
    return f"{headline} " + "; ".join(f"{name}: {problem}" for name, problem in sorted(problems.items()))
