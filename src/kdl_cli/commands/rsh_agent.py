"""``kdl rsh-agent``: the sidecar of an MPIJob's launcher. Not for people: the operator puts it into pods."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kdl_rsh.layout import EXCHANGE_DIRECTORY

if TYPE_CHECKING:
    from kdl_rsh.commands import CommandOptions


@click.command("rsh-agent", hidden=True, short_help="Run the commands of the remote shell beside this container.")
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(EXCHANGE_DIRECTORY),
    show_default=True,
    help="Where the scripts leave their calls.",
)
@click.option("--pods", required=True, metavar="PREFIX", help="Only in pods of this name and a number.")
@click.option("--container", default="", help="Container of the other pods. Default: their first.")
@click.option("--patience", default=600.0, show_default=True, help="Seconds that another pod may take to be ready.")
@click.option("--kubeconfig", metavar="FILE", help="Kubeconfig. Default: the pod's service account.")
def command(directory: Path, pods: str, container: str, patience: float, kubeconfig: str | None) -> None:
    """Run commands in other pods of this namespace for the scripts that ask for it in DIRECTORY."""
    from kdl_cli.session import run
    from kdl_rsh.commands import CommandOptions

    run(_serve(directory, CommandOptions(pods, container, patience), kubeconfig))


async def _serve(directory: Path, options: "CommandOptions", kubeconfig: str | None) -> None:
    import asyncio
    import signal

    from kdl_rsh.agent import Agent
    from kdl_rsh.commands import PodCommands
    from kdl_runtime.clock import SystemClock
    from kdl_runtime.transport.kubeconfig import load_config

    clock = SystemClock()
    config = load_config(kubeconfig)
    async with PodCommands(config, clock, options) as commands:
        serving = asyncio.ensure_future(Agent(directory, commands, clock).run())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, serving.cancel)
        await asyncio.gather(serving, return_exceptions=True)
