"""Other programs of the machine, run to their end."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from realcluster.errors import ClusterError


@dataclass(frozen=True, slots=True)
class Given:
    """What a program gets beside its arguments: its standard input, open descriptors, and an environment instead of
    this process's."""

    input: str = ""
    descriptors: tuple[int, ...] = ()
    environment: Mapping[str, str] | None = None


def run(argv: Sequence[str], given: Given | None = None) -> str:
    """Its output. ClusterError with what it wrote if it fails."""
    given = given or Given()
    try:
        done = subprocess.run(
            list(argv),
            input=given.input,
            capture_output=True,
            text=True,
            check=False,
            pass_fds=given.descriptors,
            env=given.environment,
        )
    except OSError as error:
        raise ClusterError(f"{argv[0]} cannot be run: {error}") from error
    if done.returncode != 0:
        said = done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}"
        raise ClusterError(f"'{' '.join(argv)}' failed: {said}")
    return done.stdout


def batch(lines: Sequence[str], prefix: Sequence[str] = (), descriptors: tuple[int, ...] = ()) -> None:
    """Commands of ``ip`` by one process, behind ``prefix``. ClusterError names the one that failed."""
    try:
        run([*prefix, "ip", "-batch", "-"], Given("\n".join(lines) + "\n", descriptors))
    except ClusterError as error:
        raise ClusterError(f"{error}. The commands were: {'; '.join(lines)}") from error
