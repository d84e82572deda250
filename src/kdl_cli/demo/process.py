"""The operator as a process of its own: started, watched, and stopped by its process id."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from kdl_cli.errors import CliError

STOP_SECONDS = 40.0
"""Longer than the manager's own time for an orderly end."""
_TOLD_LINES = 5


@dataclass(frozen=True, slots=True)
class OperatorProcess:
    pid: int
    log: Path
    ended: asyncio.Task[int]
    """The exit code, when there is one."""

    async def failure(self) -> CliError:
        """Waits until the process ends, which it should not do by itself, and says how."""
        code = await asyncio.shield(self.ended)
        tail = " | ".join(self.log.read_text(errors="replace").splitlines()[-_TOLD_LINES:])
        return CliError(f"the operator (pid {self.pid}) ended by itself with code {code}: {tail or 'no log'}")


@asynccontextmanager
async def operator_process(kubeconfig: Path, log: Path, *, keep: bool = False) -> AsyncIterator[OperatorProcess]:
    """An operator for the cluster of the kubeconfig, for the time of the block; ``keep`` leaves it running after it.

    It has a session of its own, so that a Ctrl-C of the terminal does not end it before what depends on it.
    """
    arguments = ["operator", "--kubeconfig", str(kubeconfig)]
    arguments += ["--metrics-bind-address", "0", "--health-probe-bind-address", "0"]
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "kdl_cli", *arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    ended = asyncio.ensure_future(process.wait())
    try:
        yield OperatorProcess(process.pid, log, ended)
    finally:
        if keep:
            ended.cancel()
        elif not ended.done():
            process.terminate()
            await _reap(process, ended)


async def _reap(process: asyncio.subprocess.Process, ended: asyncio.Task[int]) -> None:
    done, _ = await asyncio.wait({ended}, timeout=STOP_SECONDS)
    if not done:
        process.kill()
        await ended
