"""Other programs: run, with their output shown or taken."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from endtoend.steps import StepError

PROJECT = Path(__file__).parents[2]
HACK = PROJECT / "hack"
PYTHON = sys.executable


def shown(argv: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> int:
    """The exit code of a program that writes to the terminal."""
    return subprocess.run(
        [str(word) for word in argv], cwd=PROJECT, env={**os.environ, **(environment or {})}, check=False
    ).returncode


def done(argv: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> None:
    """Runs a program that has to succeed, and shows what it writes. StepError."""
    code = shown(argv, environment)
    if code != 0:
        raise StepError(f"{name_of(argv)} exited with code {code}; see what it wrote above")


def taken(argv: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> str:
    """The output of a program that has to succeed. StepError with what it wrote."""
    answer = asked(argv, environment)
    if answer.returncode != 0:
        raise StepError(f"{name_of(argv)} exited with code {answer.returncode}: {answer.stderr}{answer.stdout}".strip())
    return answer.stdout


def followed(argv: Sequence[str | Path]) -> str:
    """The output of a program that has to succeed and takes its time: its progress, on the standard error, is shown."""
    run = subprocess.run([str(word) for word in argv], cwd=PROJECT, stdout=subprocess.PIPE, text=True, check=False)
    if run.returncode != 0:
        raise StepError(f"{name_of(argv)} exited with code {run.returncode}; see what it wrote above")
    return run.stdout


def asked(argv: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Whatever the program answers."""
    try:
        return subprocess.run(
            [str(word) for word in argv],
            cwd=PROJECT,
            env={**os.environ, **(environment or {})},
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        return subprocess.CompletedProcess(list(argv), 127, "", f"{error}")


def name_of(argv: Sequence[str | Path]) -> str:
    return " ".join(Path(word).name if index == 0 else str(word) for index, word in enumerate(argv[:3]))
