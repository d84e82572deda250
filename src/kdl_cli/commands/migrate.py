"""``kdl migrate``: from KubeDL and Kubeflow, manifests and running clusters."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kdl_cli.errors import CliError
from kdl_cli.manifests import Manifest, read
from kdl_cli.options import Connection, connection_options, examples
from kdl_runtime.types import ObjectKey
from kdl_workloads.framework import KUBEDL, KUBEFLOW

if TYPE_CHECKING:
    from kdl_cli.takeover import Inventory

SHORT_NAMES = {"kubedl": KUBEDL, "kubeflow": KUBEFLOW}


@click.group(
    "migrate",
    short_help="Convert manifests between API groups, or take over another operator's jobs.",
    epilog=examples(
        """
        kdl migrate manifest -f job.yaml --to kubeflow
        kdl migrate cluster
        """
    ),
)
def command() -> None:
    """From KubeDL or Kubeflow's operators: convert manifests, and take over a cluster without restarting a pod."""


@command.command(
    "manifest",
    short_help="Convert jobs to the other API group.",
    epilog=examples(
        """
        kdl migrate manifest -f job.yaml --to kubeflow > job-kubeflow.yaml
        kdl migrate manifest -f old/ --to training.kubedl.io/v1alpha1 --strict
        """
    ),
)
@click.option(
    "-f", "--filename", "filenames", multiple=True, required=True, metavar="FILE", help="YAML or JSON; - for stdin."
)
@click.option("--to", "target", required=True, metavar="VERSION", help="kubedl, kubeflow, or an apiVersion.")
@click.option("--strict", is_flag=True, help="Exit code 1 if a field of a job could not be carried over.")
def manifest(filenames: Sequence[str], target: str, strict: bool) -> None:
    """Print the jobs in FILE (a directory: its .yaml, .yml and .json files) as jobs of another API version, and other
    objects as they are. On standard error: what differs for the programs and people who used the job as it was."""
    from kdl_runtime.codec import yaml

    manifests = [found for filename in filenames for path in _files(filename) for found in read(path)]
    lost, documents = 0, []
    for found in manifests:
        converted, dropped = _converted(found, SHORT_NAMES.get(target, target))
        documents.append(yaml.encode(converted))
        lost += dropped
    click.echo("---\n".join(documents), nl=False)
    if strict and lost:
        raise CliError(f"{lost} fields could not be carried over (--strict)")


def _files(filename: str) -> list[str]:
    path = Path(filename)
    if not path.is_dir():
        return [filename]
    found = sorted(str(file) for file in path.iterdir() if file.suffix in (".yaml", ".yml", ".json"))
    if not found:
        raise CliError(f"{filename} has no .yaml, .yml or .json file")
    return found


def _converted(found: Manifest, target: str) -> tuple[dict[str, object], int]:
    from kdl_workloads.dialects.registry import DIALECTS
    from kdl_workloads.frameworks.registry import frameworks
    from kdl_workloads.migration.conversion import ConversionError, convert
    from kdl_workloads.migration.differences import differences

    versions = [dialect.api_version for dialect in DIALECTS]
    if target not in versions:
        raise CliError(f"--to {target}: use {', '.join([*SHORT_NAMES, *versions])}")
    framework = frameworks().get(found.kind)
    if framework is None or found.api_version not in framework.conventions or found.api_version == target:
        return found.object, 0
    try:
        conversion = convert(found.object, framework, target)
    except ConversionError as error:
        raise CliError(f"{found.source}: {error}") from error
    for difference in differences(conversion, framework):
        click.echo(f"{found.source}: {found.kind} {conversion.before.name}: {difference}", err=True)
    return conversion.object, len(conversion.lost)


@command.command(
    "cluster",
    short_help="Take over the running jobs of another operator.",
    epilog=examples(
        """
        kdl migrate cluster
        kdl migrate cluster --apply
        kubectl apply -k deploy
        kdl migrate verify kdl-takeover.json
        """
    ),
)
@click.option("--apply", "applying", is_flag=True, help="Do it. Without this, only tell what would be done.")
@click.option(
    "--operator",
    "operators",
    multiple=True,
    metavar="NAMESPACE/NAME",
    help="Deployment of the other operator, where its image does not tell.",
)
@click.option(
    "--snapshot",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("kdl-takeover.json"),
    show_default=True,
    help="Where --apply writes which pods run.",
)
@connection_options
def cluster(applying: bool, operators: Sequence[str], snapshot: Path, connection: Connection) -> None:
    """Tell what becomes of every job, and with --apply make room for this operator: stop the other one, take away its
    webhooks, and install the CRDs. Pods run on; the operator itself is then started as always."""
    from kdl_cli.session import run

    chosen = [_key(text) for text in operators]
    run(_cluster(connection, chosen, snapshot if applying else None))


def _key(text: str) -> ObjectKey:
    namespace, slash, name = text.partition("/")
    if not (namespace and slash and name):
        raise CliError(f"--operator {text}: write NAMESPACE/NAME of a Deployment")
    return ObjectKey(namespace, name)


async def _cluster(connection: Connection, chosen: Sequence[ObjectKey], snapshot: Path | None) -> None:
    from kdl_cli.session import connect
    from kdl_cli.snapshot import save
    from kdl_cli.takeover import Steps, take_inventory
    from kdl_workloads.crds import all_crds

    async with connect(connection) as session:
        inventory = await take_inventory(session, chosen)
        show(inventory)
        if inventory.obstacles:
            raise CliError("; ".join(inventory.obstacles))
        if snapshot is None:
            click.echo("\nNothing was changed. Do it with --apply.")
            return
        if inventory.refused:
            names = ", ".join(f"{job.kind} {job.key}" for job in inventory.refused)
            click.echo(f"\nleft as they are until their spec is mended: {names}")
        save(snapshot, inventory.jobs)
        click.echo()
        await Steps(session, click.echo).run(inventory, all_crds())
    click.echo(f"\nNow start the operator: kubectl apply -k deploy\nThen: kdl migrate verify {snapshot}")


def show(inventory: "Inventory") -> None:
    """The inventory as tables, as kubectl would print them."""
    from kdl_cli.tables import columns, render, state

    if inventory.operators:
        rows = [(of.key.namespace, of.key.name, of.replicas, of.image) for of in inventory.operators]
        _section("Operators to be stopped", render(columns("NAMESPACE", "DEPLOYMENT", "REPLICAS", "IMAGE"), rows))
    if inventory.webhooks:
        rows_of_webhooks = [(resource.kind, name) for resource, name in inventory.webhooks]
        _section("Webhooks to be deleted", render(columns("KIND", "NAME"), rows_of_webhooks))
    if inventory.held:
        names = [(pod.metadata.namespace, pod.name) for pod in inventory.held]
        _section("Pods to be freed of a finalizer", render(columns("NAMESPACE", "POD"), names))
    if not inventory.jobs:
        click.echo("There are no jobs.")
        return
    heads = columns("NAMESPACE", "KIND", "NAME", "STATE", "PODS", "FATE", "REMARKS")
    jobs = [
        (of.key.namespace, of.kind, of.key.name, state(of.state), len(of.pods), of.fate.value, "; ".join(of.remarks))
        for of in inventory.jobs
    ]
    _section("Jobs", render(heads, jobs))


def _section(title: str, lines: Sequence[str]) -> None:
    click.echo(f"{title}:")
    for line in lines:
        click.echo(f"  {line}")


@command.command("verify", short_help="Tell whether the pods of a take-over still run.")
@click.argument("snapshot", type=click.Path(dir_okay=False, path_type=Path))
@connection_options
def verify(snapshot: Path, connection: Connection) -> None:
    """Compare the pods in SNAPSHOT with those in the cluster; exit code 1 if one was replaced."""
    from kdl_cli.session import run

    run(_verify(snapshot, connection))


async def _verify(path: Path, connection: Connection) -> None:
    from kdl_cli.session import connect
    from kdl_cli.snapshot import compare, lines, load

    entries = load(path)
    async with connect(connection) as session:
        survival = await compare(session, entries)
    for line in lines(survival):
        click.echo(line)
    if survival.lost:
        raise CliError(f"{len(survival.lost)} pods were replaced")
