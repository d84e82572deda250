"""``kdl local``: a Kubernetes cluster in one process."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kdl_cli.errors import CliError
from kdl_cli.options import examples, gathered, output_option
from kdl_cli.output import Format

if TYPE_CHECKING:
    from kdl_local.daemon import ClusterInfo, UpOptions


@click.group(
    "local",
    short_help="Start and stop a Kubernetes cluster in one process.",
    epilog=examples(
        """
        kdl local up
        export KUBECONFIG=$(kdl local kubeconfig)
        kdl local up --name scale --fake-nodes 100 --no-process-node
        kdl local status
        kdl local down
        """
    ),
)
def command() -> None:
    """A cluster for development, tests and demos: an API server that kubectl understands, a scheduler, and a node that
    runs pods as processes of this machine. It has no persistence: what is in it is gone when it stops."""


_name = click.option("--name", default="default", show_default=True, metavar="NAME", help="Name of the cluster.")


@dataclass(frozen=True, slots=True)
class UpFlags:
    name: str
    port: int
    kubeconfig: Path | None
    process_node: bool
    fake_nodes: int
    fake_node_resources: str
    resources: str
    foreground: bool

    def options(self) -> "UpOptions":
        from kdl_local.daemon import UpOptions

        return UpOptions(
            name=self.name,
            port=self.port,
            kubeconfig=self.kubeconfig,
            process_node=self.process_node,
            fake_nodes=self.fake_nodes,
            fake_node_resources=self.fake_node_resources,
            resources=self.resources,
        )


@command.command(
    epilog=examples(
        """
        kdl local up
        kdl local up --kubeconfig ./kubeconfig
        kdl local up --name scale --fake-nodes 100 --no-process-node
        kdl local up --foreground
        """
    )
)
@_name
@click.option(
    "--kubeconfig",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the kubeconfig to this file as well, until the cluster stops.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of the API server. Default: a free one.")
@click.option(
    "--process-node/--no-process-node", default=True, show_default=True, help="The node that runs pods as processes."
)
@click.option("--resources", default="", metavar="LIST", help="Resources to add to that node (nvidia.com/gpu=2).")
@click.option(
    "--fake-nodes", type=click.IntRange(min=0), default=0, metavar="N", help="Nodes whose pods only seem to run."
)
@click.option(
    "--fake-node-resources", default="", metavar="LIST", help="What each of them has (cpu=32,memory=256Gi,pods=110)."
)
@click.option("--foreground", is_flag=True, help="Run in this process until Ctrl-C.")
@gathered(UpFlags, "flags")
def up(flags: UpFlags) -> None:
    """Start a cluster in the background and return when it is ready."""
    from kdl_local import daemon

    if flags.foreground:
        sys.exit(_foreground(flags))
    info = daemon.up(flags.options())
    click.echo(f"cluster {info.name} is ready at {info.url} (pid {info.pid}, nodes: {', '.join(info.nodes) or 'none'})")
    click.echo(f"export KUBECONFIG={info.kubeconfig}")
    if info.warning:
        click.echo(f"warning: {info.warning}", err=True)


def _foreground(flags: UpFlags) -> int:
    from kdl_local.__main__ import main

    values = {
        "--name": flags.name,
        "--port": str(flags.port),
        "--kubeconfig": str(flags.kubeconfig or ""),
        "--fake-nodes": str(flags.fake_nodes),
        "--fake-node-resources": flags.fake_node_resources,
        "--resources": flags.resources,
    }
    arguments = [f"{flag}={value}" for flag, value in values.items() if value]
    return main(arguments if flags.process_node else [*arguments, "--no-process-node"])


@command.command(epilog=examples("kdl local down\nkdl local down --name scale\nkdl local down --all"))
@_name
@click.option("--all", "everything", is_flag=True, help="Stop all local clusters.")
def down(name: str, everything: bool) -> None:
    """Stop a cluster with all its pods; nothing of it is left."""
    from kdl_local import daemon

    for each in daemon.names() if everything else [name]:
        stopped = daemon.down(each)
        click.echo(f"cluster {each} stopped" if stopped else f"cluster {each} was not running")


@command.command(epilog=examples("kdl local status\nkdl local status -o json"))
@output_option(Format.TABLE, Format.JSON, Format.YAML, Format.NAME)
def status(output: Format) -> None:
    """List the clusters that run."""
    from kdl_local import daemon

    for line in status_lines([info for name in daemon.names() if (info := daemon.status(name))], output):
        click.echo(line)


def status_lines(clusters: "list[ClusterInfo]", output: Format) -> list[str]:
    from dataclasses import asdict

    from kdl_cli.output import to_json
    from kdl_cli.tables import columns, render
    from kdl_runtime.codec import yaml

    if output is Format.NAME:
        return [info.name for info in clusters]
    if output is not Format.TABLE:
        dump = to_json if output is Format.JSON else yaml.encode
        return [dump([{**asdict(info), "nodes": list(info.nodes)} for info in clusters]).rstrip("\n")]
    heads = columns("NAME", "SERVER", "PID", "NODES", "ISOLATION", "KUBECONFIG")
    rows = [
        (info.name, info.url, info.pid, _short(info.nodes), info.isolation or "-", info.kubeconfig) for info in clusters
    ]
    return render(heads, rows) if rows else ["no local cluster runs: start one with 'kdl local up'"]


def _short(nodes: tuple[str, ...]) -> str:
    return ",".join(nodes) if len(nodes) <= 3 else f"{nodes[0]},...({len(nodes)})"


@command.command(epilog=examples("export KUBECONFIG=$(kdl local kubeconfig)"))
@_name
def kubeconfig(name: str) -> None:
    """Print the path of a cluster's kubeconfig."""
    from kdl_local import daemon

    info = daemon.status(name)
    if info is None:
        flag = "" if name == daemon.DEFAULT_NAME else f" --name {name}"
        raise CliError(f"no local cluster named {name} runs: start it with 'kdl local up{flag}'")
    click.echo(info.kubeconfig)
