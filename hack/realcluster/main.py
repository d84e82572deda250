"""The command ``hack/cluster``."""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from kdl_testing.envtest.cache import cache_home
from realcluster import control, facts, layout, lifecycle, packages
from realcluster.check import missing
from realcluster.images import PAUSE, archives
from realcluster.imagestore import images_in
from realcluster.plan import Plan, binaries_needed
from realcluster.terminal import Report, errors, fake_nodes_option, name_option, nodes_option, refuse, reporter


@click.group()
def main() -> None:
    """A Kubernetes cluster with real kubelets and containers on this machine, without Docker (docs/real-cluster.md)."""


@main.command()
def check() -> None:
    """Say whether a cluster can run here. Exit code 3, and all that is missing, if not."""
    refuse(missing(facts.gather()))
    click.echo("a cluster can run here")


@main.command()
@name_option
@nodes_option
@fake_nodes_option
@click.option(
    "--images",
    multiple=True,
    metavar="ARCHIVE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path, resolve_path=True),
    help="Images that every node has from the beginning, as by `load`; what a cluster had before takes no time.",
)
def up(name: str, nodes: int, fake_nodes: int, images: Sequence[Path]) -> None:
    """Start a cluster and print the path of its kubeconfig. Returns when pods can run."""
    report = reporter()
    with errors():
        cluster = layout.of_cluster(name)
        refuse(missing(facts.gather()))
        for archive in images:
            images_in(archive)
        plan = _plan(nodes, fake_nodes, images, report)
        report("binaries, packages and images are there")
        lifecycle.up(cluster, plan, report)
        report(f"the cluster {name} is ready")
    click.echo(cluster.kubeconfig)


def _plan(nodes: int, fake_nodes: int, images: Sequence[Path], report: Report) -> Plan:
    # Not at the top: it takes a second, which commands that tests call again and again need not wait for.
    from kdl_testing.envtest.assets import locate

    binaries = locate(binaries_needed(fake_nodes), report=report)
    runtime = packages.runtime(report)
    return Plan(
        nodes=nodes,
        fake_nodes=fake_nodes,
        binaries={name: str(path) for name, path in binaries.items()},
        path=[str(directory) for directory in runtime.path],
        cni=str(runtime.plugins),
        pause=PAUSE,
        images=[str(path) for path in archives(["pause"], report)],
        more_images=[str(path) for path in images],
        image_store=str(cache_home() / "nodes"),
    )


@main.command()
@name_option
@click.option("--all", "all_", is_flag=True, help="All clusters of this user.")
def down(name: str, all_: bool) -> None:
    """Stop a cluster and remove everything of it, also after it was killed."""
    with errors():
        for cluster in lifecycle.names() if all_ else [name]:
            found = lifecycle.down(layout.of_cluster(cluster))
            click.echo(f"the cluster {cluster} {'is gone' if found else 'was not there'}", err=True)


@main.command()
@name_option
def status(name: str) -> None:
    """What of a cluster runs."""
    with errors():
        for item in _ask(name, {"verb": "status"})["components"]:
            click.echo(f"{item['component']:32} {'running' if item['running'] else 'stopped'}")


@main.command()
@name_option
def kubeconfig(name: str) -> None:
    """The path of the kubeconfig of a running cluster."""
    with errors():
        _ask(name, {"verb": "status"})
        click.echo(layout.of_cluster(name).kubeconfig)


@main.command()
@name_option
@click.argument("archives", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def load(name: str, archives: Sequence[Path]) -> None:
    """Give the images in archives (of `docker save`, or hack/images) to every node."""
    with errors():
        for archive in archives:
            began = time.monotonic()
            descriptor = os.open(archive, os.O_RDONLY)
            try:
                control.ask(layout.of_cluster(name), {"verb": "load"}, [descriptor])
            finally:
                os.close(descriptor)
            click.echo(f"{time.monotonic() - began:6.1f}s  {archive.name}", err=True)


def _act(verb: str, name: str, component: str) -> None:
    with errors():
        for target in _ask(name, {"verb": verb, "component": component})["done"]:
            click.echo(f"{verb}: {target}", err=True)


@main.command()
@name_option
@click.argument("component", metavar="COMPONENT[@NODE]")
def kill(name: str, component: str) -> None:
    """End a component without a warning (SIGKILL): kube-apiserver, kubelet, containerd@node-2, …

    It stays away until it is started. Without @NODE it is killed on all nodes.
    """
    _act("kill", name, component)


@main.command()
@name_option
@click.argument("component", metavar="COMPONENT[@NODE]")
def stop(name: str, component: str) -> None:
    """End a component in order (SIGTERM)."""
    _act("stop", name, component)


@main.command()
@name_option
@click.argument("component", metavar="COMPONENT[@NODE]")
def start(name: str, component: str) -> None:
    """Start a component that was ended, and wait until it is well."""
    _act("start", name, component)


@main.command()
@name_option
@click.argument("component", metavar="COMPONENT[@NODE]")
@click.option("--path", "path_only", is_flag=True, help="Print where the log is instead.")
def logs(name: str, component: str, path_only: bool) -> None:
    """Print the log of a component, or those of all nodes one after the other."""
    with errors():
        for log in _ask(name, {"verb": "logs", "component": component})["logs"]:
            if path_only:
                click.echo(log)
            else:
                sys.stdout.write(Path(log).read_text(errors="replace"))


@main.command("exec-in", context_settings={"ignore_unknown_options": True})
@name_option
@click.argument("node")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def exec_in(name: str, node: str, command: Sequence[str]) -> None:
    """Run a command (default: a shell) on a node, as ssh would: `exec-in node-1 ctr -n k8s.io tasks ls`."""
    with errors():
        answer = control.ask(layout.of_cluster(name), {"verb": "enter", "node": node})
        flags = []
        for kind, descriptor in zip(answer.body["kinds"], answer.files, strict=True):
            os.set_inheritable(descriptor, True)
            flags.append(f"--{_NSENTER.get(kind, kind)}=/proc/self/fd/{descriptor}")
        environment = {**os.environ, "PATH": answer.body["path"]}
        os.execvpe("nsenter", ["nsenter", *flags, "--", *(command or ["sh"])], environment)


_NSENTER = {"mnt": "mount"}
"""Namespaces that nsenter's options call otherwise than /proc does."""


def _ask(name: str, body: dict[str, Any]) -> dict[str, Any]:
    return dict(control.ask(layout.of_cluster(name), body).body)
