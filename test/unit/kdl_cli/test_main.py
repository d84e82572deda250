import os
import subprocess
import sys

import click
import pytest

from kdl_cli import main as program
from kdl_cli.errors import CliError, WaitTimeoutError, one_line
from kdl_runtime.errors import NotFound


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (CliError("no job\nmnist"), 1, "error: no job mnist\n"),
        (WaitTimeoutError("too late"), 124, "error: too late\n"),
        (NotFound("pods x not found"), 1, "error: the API server refuses: pods x not found (NotFound)\n"),
        (OSError(98, "Address already in use"), 1, "error: [Errno 98] Address already in use\n"),
        (ExceptionGroup("tasks", [ValueError("x"), CliError("told")]), 1, "error: told\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (click.UsageError("no such option"), 1, "error: no such option\n"),
    ],
)
def test_errors_are_one_line_and_an_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, code: int, text: str
) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(program.cli, "main", fail)
    assert program.run([]) == code
    assert capsys.readouterr().err == text


def test_an_unknown_command_names_the_way_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.run(["gett"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: No such command 'gett'.")
    assert error.endswith("See 'kdl --help'.\n")
    assert error.count("\n") == 1


@pytest.mark.parametrize("name", program.COMMANDS)
def test_every_command_explains_itself_with_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.run([name, "--help"]) == 0
    text = capsys.readouterr().out
    assert "Examples:" in text
    assert f"kdl {name}" in text.partition("Examples:")[2]


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; from kdl_cli.main import run; code = run(['--help']);"
        "heavy = {'aiohttp', 'pydantic', 'kubernetes', 'rich', 'yaml', 'msgspec'} & sys.modules.keys();"
        "sys.exit(f'imported {heavy}' if heavy else code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, env=dict(os.environ), check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Commands:" in done.stdout


def test_a_defect_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise ExceptionGroup("tasks", [ValueError("x")])

    monkeypatch.setattr(program.cli, "main", fail)
    with pytest.raises(ExceptionGroup):
        program.run([])


def test_an_error_without_words_is_named() -> None:
    assert one_line(ValueError()) == "ValueError"
