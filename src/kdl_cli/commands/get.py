"""``kdl get``: objects in a table, or as JSON, YAML or names."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click

from kdl_cli.options import Connection, connection_options, examples, gathered, output_option
from kdl_cli.output import Format
from kdl_cli.query import Query

if TYPE_CHECKING:
    from kdl_cli.references import Found


@click.command(
    "get",
    short_help="List jobs, or show one; other kinds as well.",
    epilog=examples(
        """
        kdl get
        kdl get xgboostjobs -A -o wide
        kdl get xgboostjob mnist -o yaml
        kdl get xgboostjob.kubeflow.org/mnist -o json
        kdl get pods -l job-name=mnist
        kdl get -w
        """
    ),
)
@click.argument("arguments", nargs=-1, metavar="[KIND [NAME]...]")
@click.option("-A", "--all-namespaces", is_flag=True, help="In all namespaces.")
@click.option("-l", "--selector", default="", metavar="LABELS", help="Only what has these labels (a=b,c in (d,e)).")
@click.option("-w", "--watch", is_flag=True, help="Go on with a line for every change, until Ctrl-C.")
@output_option(Format.TABLE, Format.WIDE, Format.JSON, Format.YAML, Format.NAME)
@connection_options
@gathered(Query, "query")
def command(query: Query, connection: Connection) -> None:
    """List the jobs of every kind, or the objects of one KIND, or show those that are named.

    A kind of job that is served in both API groups is listed from both; KIND.GROUP asks for one.
    """
    from kdl_cli.session import run

    run(_get(query, connection))


async def _get(query: Query, connection: Connection) -> None:
    from kdl_cli.discovery import job_kinds, resolve
    from kdl_cli.references import Found, find, references
    from kdl_cli.session import connect
    from kdl_cli.watching import watch
    from kdl_runtime.client.client import ListOptions

    async with connect(connection) as session:
        if query.watch:
            await watch(session, query)
            return
        if query.named:
            found = [await find(session, reference) for reference in references(query.arguments)]
        else:
            kinds = await resolve(session, query.arguments[0]) if query.arguments else await job_kinds(session)
            options = ListOptions(label_selector=query.selector)
            found = []
            for resource in kinds:
                namespace = session.namespace if resource.namespaced and not query.all_namespaces else ""
                objects = await session.client.list(resource, namespace, options)
                found += [Found(resource, obj) for obj in objects]
        show(query, found, single=query.named, now=session.clock.now())
        if not found and query.output in (Format.TABLE, Format.WIDE):
            place = "" if query.all_namespaces else f" in namespace {session.namespace}"
            click.echo(f"nothing found{place}", err=True)


def show(query: Query, found: "Sequence[Found]", *, single: bool, now: datetime) -> None:
    from kdl_cli.output import document, object_name
    from kdl_cli.tables import Column, render
    from kdl_cli.views import view_for

    if query.output is Format.NAME:
        for item in found:
            click.echo(object_name(item.resource, item.key.name))
        return
    if query.output in (Format.JSON, Format.YAML):
        click.echo(document([item.object for item in found], query.output, single=single), nl=False)
        return
    place = (Column("NAMESPACE"),) if query.all_namespaces else ()
    views = {view_for(item.resource).heads: view_for(item.resource) for item in found}
    for number, view in enumerate(views.values()):
        rows = [
            (*([item.key.namespace] if place else []), *view.row(item.resource, item.object, now))
            for item in found
            if view_for(item.resource) is view
        ]
        if number:
            click.echo()
        for line in render((*place, *view.heads), rows, wide=query.output is Format.WIDE):
            click.echo(line)
