"""``kdl crds``: the CRDs of all kinds of job."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from kdl_cli.errors import CliError
from kdl_cli.options import Connection, connection_options, examples


@click.command(
    "crds",
    short_help="Print the CRDs, write them to files, or install them.",
    epilog=examples(
        """
        kdl crds > crds.yaml
        kdl crds --output-dir deploy/crds
        kdl crds --install
        """
    ),
)
@click.option(
    "--output-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write one file per CRD into this directory, and name those that have changed.",
)
@click.option("--install", is_flag=True, help="Create or update them in the cluster and wait until they are served.")
@connection_options
def command(output_dir: Path | None, install: bool, connection: Connection) -> None:
    """Print the CRDs of every kind of job in both API groups as YAML."""
    from kdl_workloads import crds

    if output_dir is not None and install:
        raise CliError("--output-dir and --install exclude each other: call the command twice")
    if install:
        from kdl_cli.session import run

        run(_install(crds.all_crds(), connection))
    elif output_dir is not None:
        for path in crds.write(output_dir):
            click.echo(f"{path} written")
    else:
        click.echo("---\n".join(crds.files().values()), nl=False)


async def _install(crds: Sequence[Mapping[str, Any]], connection: Connection) -> None:
    from kdl_cli.installation import install
    from kdl_cli.session import connect

    async with connect(connection) as session:
        for installed in await install(session, crds):
            click.echo(f"customresourcedefinition.apiextensions.k8s.io/{installed.name} {installed.change}")
