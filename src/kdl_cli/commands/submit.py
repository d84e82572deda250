"""``kdl submit``: create what files hold, checked first."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from kdl_cli.durations import Duration
from kdl_cli.errors import CliError
from kdl_cli.goals import Goal, GoalKind
from kdl_cli.lines import Prefixes
from kdl_cli.manifests import Manifest, read
from kdl_cli.options import Connection, connection_options, examples, gathered

if TYPE_CHECKING:
    from kdl_cli.references import Found
    from kdl_cli.session import Session


@dataclass(frozen=True, slots=True)
class Submission:
    """``logs`` implies waiting; ``timeout`` in seconds is for each job, None waits for ever."""

    filenames: tuple[str, ...]
    wait: bool
    logs: bool
    timeout: float | None
    dry_run: bool


@click.command(
    "submit",
    short_help="Create jobs from YAML, checked before they are sent.",
    epilog=examples(
        """
        kdl submit -f job.yaml
        kdl submit -f job.yaml --wait --timeout 1h
        kdl submit -f job.yaml --logs
        cat job.yaml | kdl submit -f - --dry-run
        """
    ),
)
@click.option(
    "-f", "--filename", "filenames", multiple=True, required=True, metavar="FILE", help="YAML or JSON; - for stdin."
)
@click.option("--wait", is_flag=True, help="Wait until the jobs have succeeded; exit code 1 if one does not.")
@click.option("--logs", is_flag=True, help="Print the logs of all replicas meanwhile; implies --wait.")
@click.option("--timeout", type=Duration(), help="Stop waiting after so long (90s, 2h) with exit code 124.")
@click.option("--dry-run", is_flag=True, help="Let the API server check everything and store nothing.")
@connection_options
@gathered(Submission, "submission")
def command(submission: Submission, connection: Connection) -> None:
    """Create the objects in FILE. Jobs are checked first, as the CRD and the operator would, and every mistake is told;
    nothing is created unless all are good."""
    from kdl_cli.session import run

    manifests = [manifest for filename in submission.filenames for manifest in read(filename)]
    check(manifests)
    run(_submit(submission, connection, manifests))


def check(manifests: Sequence[Manifest]) -> None:
    """CliError with all that is wrong in all of them."""
    from kdl_cli.validation import problems
    from kdl_workloads.frameworks.registry import frameworks

    known = frameworks()
    found = [f"{manifest.source}: {problem}" for manifest in manifests for problem in problems(manifest, known)]
    if found:
        raise CliError("; ".join(found))


async def _submit(submission: Submission, connection: Connection, manifests: Sequence[Manifest]) -> None:
    from kdl_cli.discovery import resolve
    from kdl_cli.jobs import is_job
    from kdl_cli.references import Found
    from kdl_cli.session import connect
    from kdl_runtime.client.client import WriteOptions
    from kdl_runtime.types import parse_api_version

    options = WriteOptions(dry_run=submission.dry_run, field_validation="Strict")
    async with connect(connection) as session:
        created = []
        for manifest in manifests:
            group, version = parse_api_version(manifest.api_version)
            [resource, *_] = await resolve(session, f"{manifest.kind}.{version}.{group}".rstrip("."))
            namespace = session.namespace if resource.namespaced else ""
            obj = await session.client.create(resource, placed(manifest.object, namespace), options)
            found = Found(resource, obj)
            click.echo(f"{found} created" + (" (dry run)" if submission.dry_run else ""))
            created.append(found)
        jobs = [found for found in created if is_job(found.resource)]
        if submission.dry_run or not (submission.wait or submission.logs):
            return
        await asyncio.gather(*(_see_through(session, submission, job) for job in jobs))


async def _see_through(session: "Session", submission: Submission, job: "Found") -> None:
    """Until the job has succeeded, and its logs are printed if they are asked for."""
    from kdl_cli.progress import job_progress
    from kdl_cli.replicalogs import LogOptions, Request, Selection, follow_logs
    from kdl_cli.waiting import wait_for

    goal = Goal(GoalKind.SUCCEEDED)
    with job_progress(session.clock, live=not submission.logs) as progress:
        if not submission.logs:
            await wait_for(session, job, goal, submission.timeout, progress.show)
            return
        prefixes = Prefixes()
        request = Request(
            job, Selection(), LogOptions(follow=True), lambda source, line: click.echo(prefixes.apply(source, line))
        )
        logs = asyncio.ensure_future(follow_logs(session, request))
        try:
            await wait_for(session, job, goal, submission.timeout, progress.show)
            await logs
        finally:
            logs.cancel()
            await asyncio.gather(logs, return_exceptions=True)


def placed(obj: Mapping[str, Any], namespace: str) -> dict[str, Any]:
    """The object in its own namespace, or in this one if it names none; "" for kinds without namespaces."""
    metadata = {**obj["metadata"]}
    if namespace:
        metadata.setdefault("namespace", namespace)
    return {**obj, "metadata": metadata}
