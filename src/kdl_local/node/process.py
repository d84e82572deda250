"""One container as a local process: started through the launcher, watched through a pidfd, ended as a group."""

import asyncio
import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kdl_local.node.audience import Audience
from kdl_local.node.container_log import LogFile
from kdl_local.node.descriptor import Descriptor, read_all
from kdl_local.node.launch import EntrySpec, LaunchSpec
from kdl_runtime.codec.json import encode

_CHUNK = 64 * 1024
_LAST_OUTPUT = 1024
_DRAIN_ROUNDS = 64
"""Pieces of output that are still read from a container that has ended, should something else keep its pipe open."""


class StartError(Exception):
    """The command could not be started; the message is the launcher's."""


class Process:
    """A running container. ``exit_code`` is 128 plus the signal for a process that a signal ended. ``input`` is the
    other end of its standard input, None if it has none; with ``terminal`` it is that of its terminal.

    Must be made and used in the thread that runs the event loop: the kernel ends the container with that thread.
    """

    def __init__(self, popen: "subprocess.Popen[bytes]", log: LogFile, streams: "_Streams") -> None:
        self.pid = popen.pid
        self.exit_code: int | None = None
        self.signal: int | None = None
        self.exited = asyncio.Event()
        self.on_exit: Callable[[], None] | None = None
        self.input = None if streams.input is None else Descriptor(streams.input)
        self.terminal = streams.terminal
        self.audience = Audience(self._flow)
        self._popen = popen
        self._log = log
        self._outputs = streams.outputs
        self._open = set(self._outputs)
        self._loop = asyncio.get_running_loop()
        self._pidfd = os.pidfd_open(popen.pid)
        self._loop.add_reader(self._pidfd, self._ended)
        for descriptor in self._outputs:
            os.set_blocking(descriptor, False)
        self._flow()

    def signal_group(self, number: signal.Signals) -> None:
        """To the container's process group, as long as its first process is not reaped."""
        if self.exited.is_set():
            return
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            # The launcher has not made its group yet.
            signal.pidfd_send_signal(self._pidfd, number)

    def kill(self) -> None:
        self.signal_group(signal.SIGKILL)

    def _flow(self) -> None:
        """Reads on from the outputs that nobody is too slow for."""
        for descriptor in self._open:
            if self.audience.slow(self._outputs[descriptor]):
                self._loop.remove_reader(descriptor)
            else:
                self._loop.add_reader(descriptor, self._read, descriptor)

    def _read(self, descriptor: int) -> bool:
        """Copies what there is to the log, and to who is attached. False at the end of the output."""
        try:
            data = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return False
        except OSError as error:
            # The end of a terminal that nobody has open any more.
            if error.errno != errno.EIO:
                raise
            data = b""
        if not data:
            self._open.discard(descriptor)
            self._loop.remove_reader(descriptor)
            return False
        stream = self._outputs[descriptor]
        self._log.write(stream, data)
        self.audience.push(stream, data)
        if self.audience.slow(stream):
            self._loop.remove_reader(descriptor)
        return True

    def _ended(self) -> None:
        # The group is still there while its leader is a zombie, so what is left of it can be ended without mistaking
        # another group for it.
        self._loop.remove_reader(self._pidfd)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        code = self._popen.wait()
        os.close(self._pidfd)
        self._open.clear()
        if self.input is not None:
            self.input.close()
        for descriptor in self._outputs:
            rounds = 0
            while rounds < _DRAIN_ROUNDS and self._read(descriptor):
                rounds += 1
            self._loop.remove_reader(descriptor)
            os.close(descriptor)
        self._log.close()
        self.audience.end()
        self.signal = -code if code < 0 else None
        self.exit_code = 128 - code if code < 0 else code
        self.exited.set()
        if self.on_exit is not None:
            self.on_exit()


async def start(spec: LaunchSpec, log: LogFile) -> Process:
    """Starts a container and returns when its command runs. StartError if it cannot; the log is closed then."""
    process, status = _launch(spec, log)
    try:
        problem = await read_all(status)
    except asyncio.CancelledError:
        process.kill()
        raise
    if problem:
        await process.exited.wait()
        raise StartError(problem)
    return process


def _launch(spec: LaunchSpec, log: LogFile) -> tuple[Process, int]:
    """The process that becomes the container, and the descriptor on which it reports."""
    status_read, status_write = os.pipe2(os.O_CLOEXEC)
    streams = _terminal_streams() if spec.terminal else _pipe_streams(stdin=spec.stdin)
    spec_fd = memory_file(encode(spec))
    try:
        popen = subprocess.Popen(
            [sys.executable, "-m", "kdl_local.node.launcher", str(spec_fd), str(status_write)],
            stdin=streams.inner[0],
            stdout=streams.inner[1],
            stderr=streams.inner[2],
            pass_fds=(spec_fd, status_write),
            env=launcher_env(spec.env),
            cwd=Path("/"),
        )
    except OSError as error:
        for descriptor in (status_read, *streams.outer):
            os.close(descriptor)
        log.close()
        raise StartError(f"the launcher could not be started: {error}") from error
    finally:
        for descriptor in {status_write, spec_fd, *streams.inner}:
            os.close(descriptor)
    return Process(popen, log, streams), status_read


@dataclass(frozen=True, slots=True)
class _Streams:
    """``inner``: the container's standard streams. ``outputs`` names the streams that are read at the outer ends."""

    inner: tuple[int, int, int]
    outputs: dict[int, str]
    input: int | None = None
    terminal: bool = False

    @property
    def outer(self) -> list[int]:
        return [*self.outputs, *(() if self.input is None else (self.input,))]


def _pipe_streams(*, stdin: bool) -> _Streams:
    out_read, out_write = os.pipe2(os.O_CLOEXEC)
    error_read, error_write = os.pipe2(os.O_CLOEXEC)
    outputs = {out_read: "stdout", error_read: "stderr"}
    if not stdin:
        nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        return _Streams((nothing, out_write, error_write), outputs)
    in_read, in_write = os.pipe2(os.O_CLOEXEC)
    return _Streams((in_read, out_write, error_write), outputs, in_write)


def _terminal_streams() -> _Streams:
    outer, inner = os.openpty()
    # Two descriptors, so that the input can be closed for itself.
    return _Streams((inner, inner, inner), {outer: "stdout"}, os.dup(outer), terminal=True)


async def run_inside(process: Process, spec: LaunchSpec, argv: list[str]) -> tuple[int, str]:
    """Runs a command inside a container that runs: its exit code and the end of its output. Cancelled, it kills it."""
    spec_fd = memory_file(encode(entry_spec(process, spec, argv)))
    try:
        helper = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "kdl_local.node.enter", str(spec_fd)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(spec_fd,),
            env=launcher_env(spec.env),
        )
    finally:
        os.close(spec_fd)
    try:
        output, _ = await helper.communicate()
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):
            helper.kill()
        await helper.wait()
        raise
    return helper.returncode or 0, output.decode(errors="replace")[-_LAST_OUTPUT:].strip()


def entry_spec(process: Process, spec: LaunchSpec, argv: Sequence[str], *, terminal: bool = False) -> EntrySpec:
    """A command with the environment and the working directory of the container's own."""
    env = {**spec.env, "TERM": "xterm"} if terminal else dict(spec.env)
    return EntrySpec(process.pid, list(argv), env, spec.work_dir, spec.isolation, spec.parent, terminal)


def launcher_env(env: Mapping[str, str]) -> dict[str, str]:
    """The launcher's own environment: what it needs to find its modules, which the container never sees, and the marks
    by which the cluster finds its processes again (``kdl_local.guard``). ``env`` is that of the container."""
    own = {key: value for key, value in os.environ.items() if key.startswith(("PYTHON", "LD_")) or key == "PATH"}
    return own | {key: value for key, value in env.items() if key.startswith("KDL_LOCAL_")}


def memory_file(data: bytes) -> int:
    descriptor = os.memfd_create("launch-spec", os.MFD_CLOEXEC)
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
