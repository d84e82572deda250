"""``kdl describe``: the story of a job."""

import asyncio

import click

from kdl_cli.options import Connection, connection_options, examples


@click.command(
    "describe",
    short_help="Tell the story of a job: conditions, replicas, failures, events.",
    epilog=examples(
        """
        kdl describe mnist
        kdl describe xgboostjob/mnist
        kdl describe xgboostjob.kubeflow.org mnist
        """
    ),
)
@click.argument("job", nargs=-1, required=True, metavar="JOB")
@connection_options
def command(job: tuple[str, ...], connection: Connection) -> None:
    """Show JOB (NAME, KIND/NAME or KIND NAME): its conditions in the order of time, replicas and restarts, the first
    failure, its pods and events."""
    from kdl_cli.session import run

    run(_describe(job, connection))


async def _describe(job: tuple[str, ...], connection: Connection) -> None:
    from kdl_cli.description import Description, describe
    from kdl_cli.jobs import job_view
    from kdl_cli.references import find_job, one_reference
    from kdl_cli.session import connect
    from kdl_runtime.client.client import ListOptions
    from kdl_runtime.resources.registry import EVENTS, PODS

    async with connect(connection) as session:
        found = await find_job(session, one_reference(job))
        view = job_view(found.resource, found.object)
        namespace = found.key.namespace
        pods, events = await asyncio.gather(
            session.client.list(PODS, namespace, ListOptions(label_selector=view.selector())),
            session.client.list(EVENTS, namespace, ListOptions(field_selector=f"regarding.uid={view.job.uid}")),
        )
        for line in describe(Description(view, pods, events, session.clock.now())):
            click.echo(line)
