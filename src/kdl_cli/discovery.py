"""Names of kinds as people type them, resolved against what the API server says it serves."""

from collections.abc import Iterable, Sequence

from kdl_cli.errors import CliError
from kdl_cli.jobs import is_job
from kdl_cli.session import Session
from kdl_runtime.resources.discovery import ServedResource
from kdl_runtime.types import Resource


async def job_kinds(session: Session) -> list[Resource]:
    """The kinds of job that the cluster serves. CliError if there is none, which means that no CRD is installed."""
    kinds = jobs_among(await session.discovery.resources())
    if not kinds:
        raise CliError("the cluster serves no kind of job: install the CRDs with 'kdl crds --install'")
    return kinds


async def resolve(session: Session, typed: str) -> list[Resource]:
    """The kinds that ``typed`` names (``matching``). CliError for a name that nothing has."""
    found = matching(await session.discovery.resources(), typed)
    if not found:
        raise CliError(f"the cluster serves no kind {typed!r}: kinds of job come with 'kdl crds --install'")
    return found


def jobs_among(served: Sequence[ServedResource]) -> list[Resource]:
    return _preferred(item.resource for item in served if is_job(item.resource))


def matching(served: Sequence[ServedResource], typed: str) -> list[Resource]:
    """The kinds that answer to ``xgboostjobs``, ``XGBoostJob``, ``xgb``, ``xgboostjob.kubeflow.org``, ...

    A kind of job comes from every API group that has it, each in the server's preferred version unless the version is
    typed. Of other kinds only the first counts, a core one before all others, as in kubectl.
    """
    found = _preferred(item.resource for item in served if item.answers_to(typed.lower()))
    jobs = [resource for resource in found if is_job(resource)]
    return jobs or found[:1]


def _preferred(resources: Iterable[Resource]) -> list[Resource]:
    """One version of each kind: discovery lists the preferred one first."""
    return list({(resource.group, resource.kind): resource for resource in reversed(list(resources))}.values())[::-1]
