"""A command that a client runs inside a container: ``kubectl exec``."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from kdl_local.apiserver.streams.channels import STDERR, STDOUT, TerminalSize
from kdl_local.apiserver.streams.provider import CommandOptions, StreamError
from kdl_local.node.descriptor import Descriptor, read_all
from kdl_local.node.launch import EntrySpec
from kdl_local.node.process import launcher_env, memory_file
from kdl_local.node.terminals import resize
from kdl_runtime.codec.json import encode

GRACE_SECONDS = 1.0
"""What a command gets to end by itself when its client has gone."""


@dataclass(slots=True)
class _Streams:
    """``inner``: the command's standard streams. At the outer ends are ``outputs``, by channel, and ``input``."""

    inner: list[int]
    outputs: dict[int, int] = field(default_factory=dict)
    input: int | None = None


class Command:
    """A ``Session``. A group of processes of its own, so that it can be ended with all that it has started."""

    def __init__(self, popen: "subprocess.Popen[bytes]", streams: _Streams, *, terminal: bool) -> None:
        self.on_exit: Callable[[], None] | None = None
        self._exited = asyncio.Event()
        self._code = 0
        self._unwanted = False
        self._popen = popen
        self._terminal = terminal
        self._outputs = {channel: Descriptor(number) for channel, number in streams.outputs.items()}
        self._input = None if streams.input is None else Descriptor(streams.input)
        self._loop = asyncio.get_running_loop()
        self._pidfd = os.pidfd_open(popen.pid)
        self._loop.add_reader(self._pidfd, self._ended)

    async def read(self, stream: int) -> bytes:
        output = self._outputs.get(stream)
        return b"" if output is None else await output.read()

    async def write(self, data: bytes) -> None:
        if self._input is not None:
            with suppress(OSError):
                await self._input.write(data)

    async def close_input(self) -> None:
        # A terminal is told of the end by a character, which is the client's to send.
        if self._input is not None and not self._terminal:
            self._input.close()

    def resize(self, size: TerminalSize) -> None:
        if self._terminal and self._input is not None and not self._input.closed:
            resize(self._input.fileno(), size)

    async def wait(self) -> int:
        await self._exited.wait()
        return self._code

    async def close(self) -> None:
        try:
            if not self._exited.is_set():
                self._unwanted = True
                self._signal(signal.SIGHUP if self._terminal else signal.SIGTERM)
                with suppress(TimeoutError):
                    async with asyncio.timeout(GRACE_SECONDS):
                        await self._exited.wait()
        finally:
            self.kill()
            for descriptor in (*self._outputs.values(), *(() if self._input is None else (self._input,))):
                descriptor.close()

    def kill(self) -> None:
        """At once; the container is ending."""
        self._signal(signal.SIGKILL)

    async def killed(self) -> None:
        self.kill()
        await self._exited.wait()

    def _signal(self, number: signal.Signals) -> None:
        """To the group, as long as its first process is not reaped. What a command leaves behind when it ends by itself
        belongs to the container, like a server that it has started."""
        if not self._exited.is_set():
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._popen.pid, number)

    def _ended(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        if self._unwanted:
            self._signal(signal.SIGKILL)
        code = self._popen.wait()
        self._code = 128 - code if code < 0 else code
        for output in self._outputs.values():
            # What the command has written is there; others may hold the other end of the pipe for long.
            output.finish()
        self._exited.set()
        if self.on_exit is not None:
            self.on_exit()


async def run(spec: EntrySpec, options: CommandOptions) -> Command:
    """Returns when the command runs. StreamError if it cannot be started."""
    command, status = _launch(spec, options)
    problem = ""
    try:
        problem = await read_all(status)
    except asyncio.CancelledError:
        problem = "cancelled"
        raise
    finally:
        if problem:
            await command.close()
    if problem:
        raise StreamError(
            "error executing command in container: failed to exec in container: "
            f"unable to start container process: {problem}"
        )
    return command


def _launch(spec: EntrySpec, options: CommandOptions) -> tuple[Command, int]:
    streams = _terminal(options) if options.tty else _pipes(options)
    status_read, status_write = os.pipe2(os.O_CLOEXEC)
    spec_fd = memory_file(encode(spec))
    try:
        popen = subprocess.Popen(
            [sys.executable, "-m", "kdl_local.node.enter", str(spec_fd), str(status_write)],
            stdin=streams.inner[0],
            stdout=streams.inner[1],
            stderr=streams.inner[2],
            pass_fds=(spec_fd, status_write),
            env=launcher_env(spec.env),
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:
        for descriptor in {
            status_read,
            *streams.outputs.values(),
            *(() if streams.input is None else (streams.input,)),
        }:
            os.close(descriptor)
        raise StreamError(f"the command could not be started: {error}") from error
    finally:
        for descriptor in {status_write, spec_fd, *streams.inner}:
            os.close(descriptor)
    return Command(popen, streams, terminal=options.tty), status_read


def _terminal(options: CommandOptions) -> _Streams:
    outer, inner = os.openpty()
    outputs = {STDOUT: outer} if options.stdout else {}
    # Without output there is still somebody who has to hold the terminal open.
    return _Streams([inner, inner, inner], outputs, os.dup(outer) if options.stdout else outer)


def _pipes(options: CommandOptions) -> _Streams:
    streams = _Streams([])
    if options.stdin:
        inner, streams.input = os.pipe2(os.O_CLOEXEC)
        streams.inner.append(inner)
    else:
        streams.inner.append(_nothing())
    for channel, wanted in ((STDOUT, options.stdout), (STDERR, options.stderr)):
        if wanted:
            streams.outputs[channel], inner = os.pipe2(os.O_CLOEXEC)
            streams.inner.append(inner)
        else:
            streams.inner.append(_nothing())
    return streams


def _nothing() -> int:
    return os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
