"""Jobs and other objects as arguments: ``NAME``, ``KIND/NAME`` or ``KIND NAME...``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kdl_cli.discovery import job_kinds, resolve
from kdl_cli.errors import CliError
from kdl_cli.jobs import is_job
from kdl_cli.output import object_name
from kdl_cli.session import Session
from kdl_runtime.errors import NotFound
from kdl_runtime.types import ObjectKey, Resource


@dataclass(frozen=True, slots=True)
class Reference:
    """What was typed. Without a kind any kind of job is meant."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}" if self.kind else self.name


@dataclass(frozen=True, slots=True)
class Found:
    """An object, and where it is served."""

    resource: Resource
    object: Mapping[str, Any]

    @property
    def key(self) -> ObjectKey:
        metadata = self.object["metadata"]
        return ObjectKey(metadata.get("namespace", ""), metadata["name"])

    def __str__(self) -> str:
        return object_name(self.resource, self.key.name)


def split_reference(typed: str) -> tuple[str, str]:
    """``kind/name`` in its two parts; the kind is empty where only a name was typed."""
    kind, slash, name = typed.rpartition("/")
    return (kind, name) if slash else ("", typed)


def references(arguments: Sequence[str]) -> list[Reference]:
    """Of several arguments without a slash the first is the kind of all others, as in kubectl."""
    if len(arguments) > 1 and not any("/" in argument for argument in arguments):
        return [Reference(arguments[0], name) for name in arguments[1:]]
    return [Reference(*split_reference(argument)) for argument in arguments]


def one_reference(arguments: Sequence[str]) -> Reference:
    """For commands that take one job. CliError for more."""
    found = references(arguments)
    if len(found) != 1:
        raise CliError("one job is needed: give NAME, KIND/NAME or KIND NAME")
    return found[0]


async def find(session: Session, reference: Reference) -> Found:
    """The object. CliError if there is none, or one of that name in several kinds."""
    kinds = await resolve(session, reference.kind) if reference.kind else await job_kinds(session)
    found = [found for resource in kinds if (found := await _get(session, resource, reference.name))]
    if not found:
        what = reference.kind or "job"
        raise CliError(
            f"there is no {what} {reference.name!r} in namespace {session.namespace}: 'kdl get' lists the jobs"
        )
    if len(found) > 1:
        raise CliError(f"several objects are called {reference.name!r}: say which: {' or '.join(map(str, found))}")
    return found[0]


async def find_job(session: Session, reference: Reference) -> Found:
    """The same for what must be a job."""
    found = await find(session, reference)
    if not is_job(found.resource):
        raise CliError(f"{found} is no job: this command is for jobs, 'kdl get' lists them")
    return found


async def _get(session: Session, resource: Resource, name: str) -> Found | None:
    namespace = session.namespace if resource.namespaced else ""
    try:
        return Found(resource, await session.client.get(resource, ObjectKey(namespace, name)))
    except NotFound:
        return None
