"""The operator as a process of its own: started, watched, and stopped by its process id."""

import asyncio
import contextlib
import subprocess
import sys
import threading
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
    """``ended`` holds the exit code when there is one; negative for a signal."""

    pid: int
    log: Path
    ended: asyncio.Future[int]

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
    process = _start(kubeconfig, log)
    ended = _end_of(process)
    try:
        yield OperatorProcess(process.pid, log, ended)
    finally:
        if not keep and not ended.done():
            process.terminate()
            done, _ = await asyncio.wait({ended}, timeout=STOP_SECONDS)
            if not done:
                process.kill()
                await ended


def _start(kubeconfig: Path, log: Path) -> subprocess.Popen[bytes]:
    """Not one of asyncio's subprocesses: those are killed with their loop, and ``keep`` promises another thing."""
    arguments = ["operator", "--kubeconfig", str(kubeconfig)]
    arguments += ["--metrics-bind-address", "0", "--health-probe-bind-address", "0"]
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "kdl_cli", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def _end_of(process: subprocess.Popen[bytes]) -> asyncio.Future[int]:
    """The exit code, from a thread that waits for it and does not keep this program from ending."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int] = loop.create_future()

    def wait() -> None:
        code = process.wait()
        # The loop is closed where the process has outlived this program's work.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(ended.set_result, code)

    threading.Thread(target=wait, name="operator process", daemon=True).start()
    return ended
