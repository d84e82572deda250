"""Which pods ran before a take-over, in a file, and what has become of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdl_cli.errors import CliError
from kdl_cli.session import Session
from kdl_runtime.codec import json
from kdl_runtime.errors import NotFound
from kdl_runtime.resources.registry import PODS
from kdl_runtime.types import ObjectKey
from kdl_workloads.dialects.registry import dialect_for
from kdl_workloads.engine.pod import Pod
from kdl_workloads.frameworks.registry import frameworks
from kdl_workloads.migration.prospect import Fate, Prospect

_FIELDS = ("apiVersion", "kind", "namespace", "name", "pods")


@dataclass(frozen=True, slots=True)
class Survival:
    """``ended``: pods that have come to an end or went with their job, which had ended. ``lost``: names of pods that
    are not the ones they were although their job goes on."""

    kept: int
    ended: int
    lost: tuple[str, ...]


def save(path: Path, jobs: Sequence[Prospect]) -> None:
    """Write the pods of the jobs that go on."""
    content = [_entry(job) for job in jobs if job.fate is Fate.CONTINUES and job.pods]
    path.write_text(json.pretty({"jobs": content}) + "\n", encoding="utf-8")


def _entry(job: Prospect) -> dict[str, Any]:
    return {
        "apiVersion": job.api_version,
        "kind": job.kind,
        "namespace": job.key.namespace,
        "name": job.key.name,
        "pods": dict(job.pods),
    }


def load(path: Path) -> list[dict[str, Any]]:
    """CliError for a file that ``save`` has not written."""
    try:
        entries = json.decode(path.read_bytes())["jobs"]
        return [{name: entry[name] for name in _FIELDS} for entry in entries]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CliError(f"cannot read {path}: give the file that 'kdl migrate cluster --apply' has written") from error


async def compare(session: Session, entries: Sequence[dict[str, Any]]) -> Survival:
    kept = ended = 0
    lost: list[str] = []
    for entry in entries:
        goes_on = await _goes_on(session, entry)
        for name, uid in entry["pods"].items():
            pod = await _pod(session, ObjectKey(entry["namespace"], name))
            if pod is not None and pod.uid == uid and not pod.ended:
                kept += 1
            elif (pod is not None and pod.uid == uid) or not goes_on:
                ended += 1
            else:
                lost.append(f"{entry['namespace']}/{name}")
    return Survival(kept, ended, tuple(lost))


async def _goes_on(session: Session, entry: dict[str, Any]) -> bool:
    resource = frameworks()[entry["kind"]].resource(entry["apiVersion"])
    try:
        obj = await session.client.get(resource, ObjectKey(entry["namespace"], entry["name"]))
    except NotFound:
        return False
    return not dialect_for(entry["apiVersion"]).decode_status(obj.get("status") or {}).finished


async def _pod(session: Session, key: ObjectKey) -> Pod | None:
    try:
        return await session.client.get(PODS, key, as_=Pod)
    except NotFound:
        return None


def lines(survival: Survival) -> Iterator[str]:
    yield f"{survival.kept} pods run on, {survival.ended} have ended, {len(survival.lost)} were replaced"
    yield from (f"replaced: {name}" for name in survival.lost)
