"""What the commands for both kinds of cluster have in common."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import click

from kdl_runtime.errors import KdlError
from realcluster import layout
from realcluster.check import Missing
from realcluster.network import MAX_NODES

Report = Callable[[str], None]

CANNOT_RUN = 3
"""The exit code of ``check`` and ``up`` on a machine where no cluster can run."""

name_option = click.option("--name", default=layout.DEFAULT_NAME, show_default=True, help="Which cluster.")
nodes_option = click.option(
    "--nodes", default=1, show_default=True, type=click.IntRange(1, MAX_NODES), help="Nodes with a kubelet."
)
fake_nodes_option = click.option(
    "--fake-nodes", default=0, type=click.IntRange(0, 5000), help="Nodes whose pods only seem to run."
)


@contextmanager
def errors() -> Iterator[None]:
    """Errors that were foreseen end the program with one message."""
    try:
        yield
    except KdlError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)


def reporter() -> Report:
    """Writes lines with the time since now, to where they are not in the way of the result."""
    started = time.monotonic()

    def report(text: str) -> None:
        click.echo(f"{time.monotonic() - started:6.1f}s  {text}", err=True)

    return report


def refuse(lacking: Sequence[Missing]) -> None:
    """Says all that is missing and ends the program, or does nothing."""
    if not lacking:
        return
    click.echo("no cluster can run here:", err=True)
    for item in lacking:
        click.echo(f"- {item}", err=True)
    sys.exit(CANNOT_RUN)
