"""One container as a local process: started through the launcher, watched through a pidfd, ended as a group."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from kdl_local.node.container_log import LogFile
from kdl_local.node.launch import LaunchSpec
from kdl_runtime.codec.json import encode

_CHUNK = 64 * 1024
_LAST_OUTPUT = 1024
_DRAIN_ROUNDS = 64
"""Pieces of output that are still read from a container that has ended, should something else keep its pipe open."""


class StartError(Exception):
    """The command could not be started; the message is the launcher's."""


class Process:
    """A running container. ``exit_code`` is 128 plus the signal for a process that a signal ended.

    Must be made and used in the thread that runs the event loop: the kernel ends the container with that thread.
    """

    def __init__(self, popen: "subprocess.Popen[bytes]", log: LogFile, outputs: dict[int, str]) -> None:
        self.pid = popen.pid
        self.exit_code: int | None = None
        self.signal: int | None = None
        self.exited = asyncio.Event()
        self.on_exit: Callable[[], None] | None = None
        self._popen = popen
        self._log = log
        self._outputs = outputs
        self._loop = asyncio.get_running_loop()
        self._pidfd = os.pidfd_open(popen.pid)
        self._loop.add_reader(self._pidfd, self._ended)
        for descriptor in outputs:
            os.set_blocking(descriptor, False)
            self._loop.add_reader(descriptor, self._read, descriptor)

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

    def _read(self, descriptor: int) -> bool:
        """Copies what there is to the log. False at the end of the output."""
        try:
            data = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return False
        if not data:
            self._loop.remove_reader(descriptor)
            return False
        self._log.write(self._outputs[descriptor], data)
        return True

    def _ended(self) -> None:
        # The group is still there while its leader is a zombie, so what is left of it can be ended without mistaking
        # another group for it.
        self._loop.remove_reader(self._pidfd)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        code = self._popen.wait()
        os.close(self._pidfd)
        for descriptor in self._outputs:
            rounds = 0
            while rounds < _DRAIN_ROUNDS and self._read(descriptor):
                rounds += 1
            self._loop.remove_reader(descriptor)
            os.close(descriptor)
        self._log.close()
        self.signal = -code if code < 0 else None
        self.exit_code = 128 - code if code < 0 else code
        self.exited.set()
        if self.on_exit is not None:
            self.on_exit()


async def start(spec: LaunchSpec, log: LogFile) -> Process:
    """Starts a container and returns when its command runs. StartError if it cannot; the log is closed then."""
    process, status = _launch(spec, log)
    try:
        problem = await _read_all(status)
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
    out_read, out_write = os.pipe2(os.O_CLOEXEC)
    error_read, error_write = os.pipe2(os.O_CLOEXEC)
    spec_fd = memory_file(encode(spec))
    try:
        popen = subprocess.Popen(
            [sys.executable, "-m", "kdl_local.node.launcher", str(spec_fd), str(status_write)],
            stdin=subprocess.DEVNULL,
            stdout=out_write,
            stderr=error_write,
            pass_fds=(spec_fd, status_write),
            env=launcher_env(spec),
            cwd=Path("/"),
        )
    except OSError as error:
        for descriptor in (status_read, out_read, error_read):
            os.close(descriptor)
        log.close()
        raise StartError(f"the launcher could not be started: {error}") from error
    finally:
        for descriptor in (status_write, out_write, error_write, spec_fd):
            os.close(descriptor)
    return Process(popen, log, {out_read: "stdout", error_read: "stderr"}), status_read


async def run_inside(process: Process, spec: LaunchSpec, argv: list[str]) -> tuple[int, str]:
    """Runs a command inside a container that runs: its exit code and the end of its output. Cancelled, it kills it."""
    spec_fd = memory_file(encode(msgspec.structs.replace(spec, argv=argv)))
    try:
        helper = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "kdl_local.node.enter", str(process.pid), str(spec_fd)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(spec_fd,),
            env=launcher_env(spec),
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


def launcher_env(spec: LaunchSpec) -> dict[str, str]:
    """The launcher's own environment: what it needs to find its modules, which the container never sees, and the marks
    by which the cluster finds its processes again (``kdl_local.guard``)."""
    own = {key: value for key, value in os.environ.items() if key.startswith(("PYTHON", "LD_")) or key == "PATH"}
    return own | {key: value for key, value in spec.env.items() if key.startswith("KDL_LOCAL_")}


def memory_file(data: bytes) -> int:
    descriptor = os.memfd_create("launch-spec", os.MFD_CLOEXEC)
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


async def _read_all(descriptor: int) -> str:
    """What comes out of a pipe until it is closed at the other end."""
    loop = asyncio.get_running_loop()
    os.set_blocking(descriptor, False)
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    found = b""
    try:
        while True:
            await ready.wait()
            ready.clear()
            try:
                data = os.read(descriptor, _CHUNK)
            except BlockingIOError:
                continue
            if not data:
                return found.decode(errors="replace")
            found += data
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
