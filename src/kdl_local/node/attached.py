"""A client that is attached to the first process of a container: ``kubectl attach``."""

from contextlib import suppress

from kdl_local.apiserver.streams.channels import STDERR, STDOUT, TerminalSize
from kdl_local.apiserver.streams.provider import CommandOptions
from kdl_local.node.process import Process
from kdl_local.node.terminals import resize

_NAMES = {STDOUT: "stdout", STDERR: "stderr"}


class Attached:
    """A ``Session``. ``once``: the input of the process ends with that of its first client (``stdinOnce``)."""

    def __init__(self, process: Process, options: CommandOptions, *, once: bool) -> None:
        wanted = ((STDOUT, options.stdout), (STDERR, options.stderr))
        self._process = process
        self._stdin = options.stdin
        self._once = once
        self._listener = process.audience.add(_NAMES[channel] for channel, asked in wanted if asked)

    async def read(self, stream: int) -> bytes:
        return await self._listener.read(_NAMES[stream])

    async def write(self, data: bytes) -> None:
        if self._process.input is not None:
            with suppress(OSError):
                await self._process.input.write(data)

    async def close_input(self) -> None:
        # A terminal is told of the end by a character, which is the client's to send.
        if self._stdin and self._once and self._process.input is not None and not self._process.terminal:
            self._process.input.close()

    def resize(self, size: TerminalSize) -> None:
        terminal = self._process.input
        if self._process.terminal and terminal is not None and not terminal.closed:
            resize(terminal.fileno(), size)

    async def wait(self) -> int:
        """Always 0: clients of attach are not told how the container has ended."""
        await self._process.exited.wait()
        return 0

    async def close(self) -> None:
        self._process.audience.remove(self._listener)
        await self.close_input()
