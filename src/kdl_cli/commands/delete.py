"""``kdl delete``: jobs, and what they made with them."""

from collections.abc import Mapping
from dataclasses import dataclass

import click

from kdl_cli.durations import Duration
from kdl_cli.errors import CliError
from kdl_cli.options import Connection, connection_options, examples, gathered


@dataclass(frozen=True, slots=True)
class Deletion:
    """``timeout`` in seconds bounds the wait, None waits for ever."""

    arguments: tuple[str, ...]
    filenames: tuple[str, ...]
    wait: bool
    timeout: float | None
    cascade: str


@click.command(
    "delete",
    short_help="Delete jobs.",
    epilog=examples(
        """
        kdl delete mnist
        kdl delete xgboostjob mnist other
        kdl delete -f job.yaml --no-wait
        kdl delete mnist --cascade foreground
        """
    ),
)
@click.argument("arguments", nargs=-1, metavar="[JOB | KIND NAME...]")
@click.option("-f", "--filename", "filenames", multiple=True, metavar="FILE", help="Delete what this file describes.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Return when it is gone.")
@click.option("--timeout", type=Duration(), help="Stop waiting after so long with exit code 124. Default: never.")
@click.option(
    "--cascade",
    type=click.Choice(["background", "foreground", "orphan"]),
    default="background",
    show_default=True,
    help="Pods and services go after the job, before it, or stay.",
)
@connection_options
@gathered(Deletion, "deletion")
def command(deletion: Deletion, connection: Connection) -> None:
    """Delete jobs (NAME, KIND/NAME or KIND NAME...) with their pods and services. Other kinds are deleted as well if
    the kind is named."""
    from kdl_cli.session import run

    if bool(deletion.arguments) == bool(deletion.filenames):
        raise CliError("say what to delete, by name or with -f: 'kdl get' lists the jobs")
    run(_delete(deletion, connection))


async def _delete(deletion: Deletion, connection: Connection) -> None:
    from dataclasses import replace

    from kdl_cli.manifests import read
    from kdl_cli.references import Reference, find, references
    from kdl_cli.session import connect
    from kdl_cli.waiting import delete_and_wait
    from kdl_runtime.client.client import DeleteOptions, Preconditions
    from kdl_runtime.client.options import Propagation
    from kdl_runtime.types import parse_api_version

    cascades: Mapping[str, Propagation] = {
        "background": "Background",
        "foreground": "Foreground",
        "orphan": "Orphan",
    }
    propagation = cascades[deletion.cascade]
    async with connect(connection) as session:
        wanted = [(reference, session.namespace) for reference in references(deletion.arguments)]
        for filename in deletion.filenames:
            for manifest in read(filename):
                group, version = parse_api_version(manifest.api_version)
                metadata = manifest.object["metadata"]
                if not metadata.get("name"):
                    raise CliError(f"{manifest.source}: it has a generated name: delete it by its name")
                kind = f"{manifest.kind}.{version}.{group}".rstrip(".")
                wanted.append((Reference(kind, metadata["name"]), metadata.get("namespace") or session.namespace))
        found = [await find(replace(session, namespace=namespace), reference) for reference, namespace in wanted]
        for item in found:
            options = DeleteOptions(
                propagation=propagation,
                preconditions=Preconditions(uid=item.object["metadata"]["uid"]),
            )
            await delete_and_wait(session, item, options, deletion.timeout if deletion.wait else 0)
            click.echo(f"{item} deleted")
