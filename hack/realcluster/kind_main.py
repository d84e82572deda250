"""The command ``hack/kind``: as ``hack/cluster``, but nodes are containers of Docker."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import click

from kdl_local.guard import MARK, kill_marked
from realcluster import kind
from realcluster.commands import Given, run
from realcluster.errors import ClusterError
from realcluster.kind import KindCluster
from realcluster.terminal import Report, errors, fake_nodes_option, name_option, nodes_option, refuse, reporter


@click.group()
def main() -> None:
    """A Kubernetes cluster by kind, in Docker (docs/real-cluster.md)."""


@main.command()
def check() -> None:
    """Say whether kind can run here. Exit code 3, and all that is missing, if not."""
    refuse(kind.missing())
    click.echo("kind can run here")


@main.command()
@name_option
@nodes_option
@fake_nodes_option
@click.option("--image", default="", help="The image of the nodes, such as kindest/node:v1.36.1.")
def up(name: str, nodes: int, fake_nodes: int, image: str) -> None:
    """Start a cluster and print the path of its kubeconfig. Returns when pods can run."""
    report = reporter()
    with errors():
        cluster = kind.of_cluster(name)
        refuse(kind.missing())
        if cluster.directory.exists():
            raise ClusterError(
                f"there is a cluster named {name} already: use it, remove it with 'hack/kind down --name {name}', or "
                "choose another --name"
            )
        cluster.directory.mkdir(mode=0o700, parents=True)
        try:
            run(kind.create(cluster, image), Given(kind.configuration(nodes)))
            report("kind's nodes")
            _make_ready(cluster, nodes, fake_nodes, report)
        except BaseException:
            _remove(cluster)
            raise
        report(f"the cluster {name} is ready")
    click.echo(cluster.kubeconfig)


def _make_ready(cluster: KindCluster, nodes: int, fake_nodes: int, report: Report) -> None:
    """The steps that clusters of hack/cluster have too."""
    from kdl_testing.envtest.existing import ExistingCluster
    from kdl_testing.envtest.fake_nodes import FakeNodes
    from realcluster import readiness

    with ExistingCluster(cluster.kubeconfig) as api:
        readiness.wait(api, kind.node_names(cluster, nodes), f"See 'kind export logs --name {cluster.kind_name}'.")
        report("nodes Ready, and the service account that pods have by default")
        if fake_nodes:
            _start_kwok(cluster, report)
            api.create_fake_nodes(FakeNodes(fake_nodes, tainted=True))
            report(f"fake nodes: {fake_nodes}")


def _start_kwok(cluster: KindCluster, report: Report) -> None:
    from kdl_testing.envtest.assets import locate
    from kdl_testing.envtest.fake_nodes import CONFIGURATION
    from kdl_testing.envtest.options import KWOK

    binary = locate([KWOK], report=report)[KWOK]
    with cluster.kwok_log.open("a") as log:
        subprocess.Popen(
            kind.kwok(binary, cluster, CONFIGURATION),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=cluster.directory,
            env={**os.environ, MARK: cluster.mark},
            start_new_session=True,
        )


def _remove(cluster: KindCluster) -> None:
    kill_marked(cluster.mark)
    run(kind.delete(cluster))
    shutil.rmtree(cluster.directory, ignore_errors=True)


@main.command()
@name_option
def down(name: str) -> None:
    """Stop a cluster and remove everything of it."""
    with errors():
        refuse(kind.missing())
        _remove(kind.of_cluster(name))
        click.echo(f"the cluster {name} is gone", err=True)


@main.command()
@name_option
def kubeconfig(name: str) -> None:
    """The path of the kubeconfig of a running cluster."""
    with errors():
        cluster = kind.of_cluster(name)
        if not cluster.kubeconfig.exists():
            raise ClusterError(f"no cluster named {name} runs: start it with 'hack/kind up --name {name}'")
        click.echo(cluster.kubeconfig)


@main.command()
@name_option
@click.argument("archives", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def load(name: str, archives: Sequence[Path]) -> None:
    """Give the images in archives (of `docker save`, or hack/images) to every node."""
    with errors():
        run(kind.load(kind.of_cluster(name), archives))


if __name__ == "__main__":
    main()
