"""The script under real shells, and an agent that runs its commands here instead of in a pod."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kdl_rsh.agent import Agent
from kdl_rsh.commands import CommandError, Streams
from kdl_rsh.script import SCRIPT
from kdl_runtime.clock import SystemClock

SHELLS = [shell for shell in (["sh"], ["bash", "--posix"], ["busybox", "sh"]) if shutil.which(shell[0])]


def heard() -> None:
    """A shell cannot trap what its parent has ignored, and a program in the background ignores these."""
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


class HereCommands:
    """Every host is this one."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.ended: list[str] = []

    async def run(self, pod: str, command: str, streams: Streams) -> int:
        self.asked.append((pod, command))
        if pod == "nobody":
            raise CommandError("pod nobody does not exist")
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", command, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
        )
        assert process.stdin and process.stdout and process.stderr
        pumps = [
            asyncio.create_task(self._pump(process.stdout, streams.stdout)),
            asyncio.create_task(self._pump(process.stderr, streams.stderr)),
        ]
        feeding = asyncio.create_task(self._feed(streams.stdin, process.stdin))
        try:
            await asyncio.gather(*pumps)
            return await process.wait()
        finally:
            feeding.cancel()
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
            for task in (*pumps, feeding):
                task.cancel()
            await asyncio.gather(*pumps, feeding, return_exceptions=True)
            self.ended.append(pod)

    async def _pump(self, source: asyncio.StreamReader, sink: object) -> None:
        while data := await source.read(65536):
            await sink.write(data)  # type: ignore[attr-defined]  # an Output of Streams

    async def _feed(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        except (BrokenPipeError, ConnectionResetError):
            return
        sink.close()


@dataclass(frozen=True)
class Ended:
    code: int
    out: bytes
    err: bytes


@dataclass
class Exchange:
    """The directory that script and agent share."""

    path: Path
    shell: list[str]
    commands: HereCommands = field(default_factory=HereCommands)

    @asynccontextmanager
    async def agent(self) -> AsyncIterator["asyncio.Future[None]"]:
        task = asyncio.ensure_future(Agent(self.path, self.commands, SystemClock()).run())
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        script = self.path.parent / "rsh.sh"
        environment = {**os.environ, "KDL_RSH_DIRECTORY": str(self.path)}
        return await asyncio.create_subprocess_exec(
            *self.shell,
            str(script),
            *arguments,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            env=environment,
            preexec_fn=heard,
            start_new_session=True,
        )

    async def call(self, *arguments: str, stdin: bytes = b"") -> Ended:
        process = await self.start(*arguments)
        async with asyncio.timeout(30):
            out, err = await process.communicate(stdin)
        assert process.returncode is not None
        return Ended(process.returncode, out, err)

    @property
    def left(self) -> list[str]:
        return [path.name for path in self.path.iterdir()]


@pytest.fixture(params=SHELLS, ids=lambda shell: shell[0])
def exchange(tmp_path: Path, request: pytest.FixtureRequest) -> Exchange:
    path = tmp_path / "exchange"
    path.mkdir()
    (tmp_path / "rsh.sh").write_text(SCRIPT)
    return Exchange(path, request.param)
