"""``kdl rsh-agent``: the sidecar of an MPIJob's launcher. Not for people: the operator puts it into pods."""

from pathlib import Path

import click

from kdl_rsh.layout import EXCHANGE_DIRECTORY


@click.command("rsh-agent", hidden=True, short_help="Run the commands of the remote shell beside this container.")
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(EXCHANGE_DIRECTORY),
    show_default=True,
    help="Where the scripts leave their calls.",
)
@click.option("--container", default="", help="Container of the other pods. Default: their first.")
@click.option("--patience", default=600.0, show_default=True, help="Seconds that another pod may take to be ready.")
@click.option("--kubeconfig", metavar="FILE", help="Kubeconfig. Default: the pod's service account.")
def command(directory: Path, container: str, patience: float, kubeconfig: str | None) -> None:
    """Run commands in other pods of this namespace for the scripts that ask for it in DIRECTORY."""
    from kdl_cli.session import run

    run(_serve(directory, container, patience, kubeconfig))


async def _serve(directory: Path, container: str, patience: float, kubeconfig: str | None) -> None:
    import asyncio
    import signal

    from kdl_rsh.agent import Agent
    from kdl_rsh.commands import CommandOptions, PodCommands
    from kdl_runtime.clock import SystemClock
    from kdl_runtime.transport.kubeconfig import load_config

    clock = SystemClock()
    config = load_config(kubeconfig)
    async with PodCommands(config, clock, CommandOptions(container, patience)) as commands:
        serving = asyncio.ensure_future(Agent(directory, commands, clock).run())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, serving.cancel)
        await asyncio.gather(serving, return_exceptions=True)
