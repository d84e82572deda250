"""The command ``kdl``: its subcommands, and how it ends.

A subcommand's module is imported when it is called, and it imports what is heavy inside its functions, so that
``kdl --help`` answers at once.
"""

import importlib
import sys
from collections.abc import Mapping, Sequence

import click

from kdl_cli.errors import INTERRUPTED, exit_code, expected_error, one_line
from kdl_runtime.errors import KdlError

COMMANDS: Mapping[str, str] = {
    "submit": "Create jobs from YAML, checked before they are sent.",
    "get": "List jobs, or show one; other kinds as well.",
    "describe": "Tell the story of a job: conditions, replicas, failures, events.",
    "logs": "Print the logs of a job's replicas.",
    "wait": "Wait until a job has come to an end, or to a condition.",
    "delete": "Delete jobs.",
    "demo": "Train a real model on a local cluster, from nothing.",
    "local": "Start and stop a Kubernetes cluster in one process.",
    "crds": "Print the CRDs, write them to files, or install them.",
    "migrate": "Convert manifests between API groups, or take over another operator's jobs.",
    "operator": "Run the operator.",
}
"""Name to the line in ``kdl --help``; the command is ``command`` in the module of its name in ``kdl_cli.commands``."""


HIDDEN: Mapping[str, str] = {"rsh-agent": "rsh_agent"}
"""Commands that the operator puts into pods, and their modules. They are not listed."""


class LazyGroup(click.Group):
    """Imports a subcommand when it is called or asked for help, not to list it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS and cmd_name not in HIDDEN:
            return None
        command = importlib.import_module(f"kdl_cli.commands.{HIDDEN.get(cmd_name, cmd_name)}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Start with: kdl demo. Exit codes: 0 done, 1 error, 124 timed out, 130 interrupted.",
)
@click.version_option(package_name="kdl", prog_name="kdl")
def cli() -> None:
    """One Kubernetes operator for every kind of machine-learning job."""


def run(args: Sequence[str]) -> int:
    """The exit code of a command line; errors are told in one line on standard error."""
    try:
        cli.main(args=list(args), prog_name="kdl", standalone_mode=False)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except click.ClickException as error:
        click.echo(f"error: {_usage(error)}", err=True)
        return 1
    except BrokenPipeError:
        # The reader (head, less) has gone: nothing is left to say, also not by the interpreter's last flush.
        sys.stdout = None
        return 0
    except (KdlError, OSError, ExceptionGroup) as error:
        expected = expected_error(error)
        click.echo(f"error: {one_line(expected)}", err=True)
        return exit_code(expected)
    return 0


def _usage(error: click.ClickException) -> str:
    text = " ".join(error.format_message().split())
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{text} See '{context.command_path} --help'." if context else text


def main() -> None:
    sys.exit(run(sys.argv[1:]))
