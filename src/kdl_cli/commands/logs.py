"""``kdl logs``: what a job's replicas print."""

from dataclasses import dataclass

import click

from kdl_cli.durations import Duration
from kdl_cli.lines import Prefixes
from kdl_cli.options import Connection, connection_options, examples, gathered


@dataclass(frozen=True, slots=True)
class LogsQuery:
    job: tuple[str, ...]
    role: str | None
    index: int | None
    everything: bool
    follow: bool
    container: str
    tail: int | None
    since: float | None
    timestamps: bool
    previous: bool = False


@click.command(
    "logs",
    short_help="Print the logs of a job's replicas.",
    epilog=examples(
        """
        kdl logs mnist
        kdl logs mnist --all -f
        kdl logs mnist --role worker --index 1 --tail 20
        kdl logs xgboostjob/mnist --role worker
        kdl logs mnist --previous
        """
    ),
)
@click.argument("job", nargs=-1, required=True, metavar="JOB")
@click.option("--role", metavar="ROLE", help="Replicas of this role (master, worker, ...).")
@click.option("--index", type=click.IntRange(min=0), help="The replica of this index.")
@click.option("--all", "everything", is_flag=True, help="All replicas. Default: the master, else worker 0.")
@click.option(
    "-f", "--follow", is_flag=True, help="Go on until the job has ended, also with replicas that start later."
)
@click.option("-c", "--container", default="", metavar="NAME", help="Container. Default: the pod's first.")
@click.option("--tail", type=click.IntRange(min=0), metavar="N", help="Only the last N lines of each replica.")
@click.option("--since", type=Duration(), help="Only what is not older than this (90s, 2h).")
@click.option("-p", "--previous", is_flag=True, help="Of the run before the container's last restart.")
@click.option("--timestamps", is_flag=True, help="Begin each line with its time.")
@connection_options
@gathered(LogsQuery, "query")
def command(query: LogsQuery, connection: Connection) -> None:
    """Print the log of JOB (NAME, KIND/NAME or KIND NAME): of its master, or of the replicas that are asked for.

    Lines of several replicas begin with the replica's name.
    """
    from kdl_cli.session import run

    if query.previous and query.follow:
        raise click.UsageError("--previous is of a run that has ended: it cannot be followed, leave out -f")
    run(_logs(query, connection))


async def _logs(query: LogsQuery, connection: Connection) -> None:
    from kdl_cli.jobs import job_view
    from kdl_cli.references import find_job, one_reference
    from kdl_cli.replicalogs import LogOptions, Request, Selection, follow_logs, leading, print_logs
    from kdl_cli.session import connect

    async with connect(connection) as session:
        job = await find_job(session, one_reference(query.job))
        view = job_view(job.resource, job.object)
        selection = Selection(query.role, query.index)
        if selection == Selection() and not query.everything:
            selection = leading(view)
        prefixes = Prefixes(enabled=not selection.single and view.total > 1)
        options = LogOptions(query.container, query.tail, query.since, query.timestamps, query.follow, query.previous)
        request = Request(job, selection, options, lambda source, line: click.echo(prefixes.apply(source, line)))
        await (follow_logs if query.follow else print_logs)(session, request)
