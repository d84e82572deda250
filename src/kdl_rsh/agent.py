"""The sidecar: it takes the calls of the scripts beside it, and runs them."""

import asyncio
from pathlib import Path
from typing import Protocol

import structlog

from kdl_rsh.calls import Call, Ends, open_ends, take
from kdl_rsh.commands import CommandError, Streams
from kdl_runtime.clock import Clock
from kdl_runtime.errors import KdlError

log = structlog.get_logger(__name__)

LOOK_SECONDS = 0.05
"""How often the exchange directory is looked at: what a call waits at most before it begins."""
FAILED = 255
"""Exit code of a command that could not be run, as of ssh."""


class Commands(Protocol):
    async def run(self, pod: str, command: str, streams: Streams) -> int:
        """The exit code. CommandError if there is none."""
        ...


class Agent:
    """Runs every call that appears in ``exchange``, all at the same time, until it is cancelled."""

    def __init__(self, exchange: Path, commands: Commands, clock: Clock) -> None:
        self._exchange = exchange
        self._commands = commands
        self._clock = clock
        self._running: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        try:
            while True:
                for call in take(self._exchange):
                    task = asyncio.create_task(self._answer(call), name=f"rsh {call.host}")
                    self._running.add(task)
                    task.add_done_callback(self._running.discard)
                await self._clock.sleep(LOOK_SECONDS)
        finally:
            running = list(self._running)
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _answer(self, call: Call) -> None:
        try:
            ends = await open_ends(call)
        except (TimeoutError, OSError):
            log.info("the script has gone before its command began", host=call.host)
            return
        code: int | None = None
        try:
            code = await self._run(call, ends)
        finally:
            await ends.finish(code)

    async def _run(self, call: Call, ends: Ends) -> int:
        """Ends with the command, or with the script that nobody waits for any more."""
        running = asyncio.ensure_future(
            self._commands.run(call.host, call.command, Streams(ends.stdin, ends.stdout, ends.stderr))
        )
        gone = asyncio.ensure_future(ends.gone.wait())
        try:
            await asyncio.wait((running, gone), return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                return FAILED
            return running.result()
        except CommandError as error:
            await ends.stderr.write(f"{error}\n".encode())
            return FAILED
        except KdlError as error:
            log.warning("a command has failed", host=call.host, error=str(error))
            await ends.stderr.write(f"{error}\n".encode())
            return FAILED
        finally:
            for task in (running, gone):
                task.cancel()
            await asyncio.gather(running, gone, return_exceptions=True)
