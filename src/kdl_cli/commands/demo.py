"""``kdl demo``: a real training on a local cluster, from nothing."""

from dataclasses import dataclass
from pathlib import Path

import click

from kdl_cli.durations import Duration
from kdl_cli.options import Connection, connection_options, examples, gathered


@dataclass(frozen=True, slots=True)
class DemoRequest:
    example: str
    dialect: str
    output: Path | None
    examples_dir: Path | None
    keep: bool
    timeout: float


@click.command(
    "demo",
    short_help="Train a real model on a local cluster, from nothing.",
    epilog=examples(
        """
        kdl demo
        kdl demo xgboost --output ./model
        kdl demo pytorch --api kubeflow
        kdl demo --kubeconfig ~/.kube/config --keep
        """
    ),
)
@click.argument("example", type=click.Choice(["xgboost", "pytorch"]), default="xgboost")
@click.option(
    "--api",
    "dialect",
    type=click.Choice(["kubedl", "kubeflow"]),
    default="kubedl",
    show_default=True,
    help="API group of the job: training.kubedl.io or kubeflow.org.",
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep the saved model in this directory (local cluster only).",
)
@click.option(
    "--examples",
    "examples_dir",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    help="Directory of the examples. Default: that of the checkout.",
)
@click.option("--keep", is_flag=True, help="Leave everything running at the end, and say how to stop it.")
@click.option("--timeout", type=Duration(), default=300.0, show_default="5m", help="Give up on the job after so long.")
@connection_options
@gathered(DemoRequest, "request")
def command(request: DemoRequest, connection: Connection) -> None:
    """Start a local cluster and the operator, submit the EXAMPLE, show what happens, and stop everything again.

    With --kubeconfig the job runs on that cluster instead (its image must then hold what the example's README says).
    The exit code is 0 only if the job has succeeded and the model is as good as the README states.
    """
    from kdl_cli.demo.examples import EXAMPLES, directory
    from kdl_cli.demo.run import DemoOptions, run_demo
    from kdl_cli.session import run

    example = EXAMPLES[request.example]
    folder = directory(example, request.examples_dir)
    run(
        run_demo(
            DemoOptions(
                example=example,
                folder=folder,
                dialect=request.dialect,
                connection=connection,
                output=request.output,
                keep=request.keep,
                timeout=request.timeout,
            )
        )
    )
