"""What a node offers, so that the server can answer exec, attach and port-forward."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from kdl_local.apiserver.streams.channels import TerminalSize

Object = Mapping[str, Any]


class StreamError(Exception):
    """The node cannot do it; the message is in the words of a kubelet and its container runtime."""


@dataclass(frozen=True, slots=True)
class CommandOptions:
    """``PodExecOptions`` and ``PodAttachOptions`` of the core API; ``command`` is empty for attach.

    ``stdin``, ``stdout`` and ``stderr`` are the streams that the client wants. With ``tty`` there is no ``stderr``:
    what the command writes there comes with the rest.
    """

    container: str
    command: tuple[str, ...] = ()
    stdin: bool = False
    stdout: bool = False
    stderr: bool = False
    tty: bool = False


class Session(Protocol):
    """A client's end of a process. ``stream`` is ``channels.STDOUT`` or ``channels.STDERR``."""

    async def read(self, stream: int) -> bytes:
        """The next output, as soon as there is any; empty at the end."""
        ...

    async def write(self, data: bytes) -> None:
        """To the standard input; waits while the process does not read, and drops what it never will."""
        ...

    async def close_input(self) -> None:
        """No more input comes."""
        ...

    def resize(self, size: TerminalSize) -> None:
        """Of the terminal; nothing happens without one."""
        ...

    async def wait(self) -> int:
        """The exit code, once there will be no more output but what has been written already."""
        ...

    async def close(self) -> None:
        """The client is gone. Ends a command that was started for it. May be called twice."""
        ...


class Connection(Protocol):
    """A connection to a port of a pod."""

    async def read(self) -> bytes:
        """Empty when the pod has no more to say. OSError if the connection broke."""
        ...

    async def write(self, data: bytes) -> None:
        """Waits while the pod does not read. OSError if the connection broke."""
        ...

    def close_input(self) -> None:
        """Tells the pod that no more comes."""
        ...

    async def close(self) -> None: ...


class StreamProvider(Protocol):
    """One node. Each method is called for a pod that is bound to it and has the container.

    All raise StreamError for what does not work now.
    """

    async def exec(self, pod: Object, options: CommandOptions) -> Session: ...

    async def attach(self, pod: Object, options: CommandOptions) -> Session: ...

    async def connect(self, pod: Object, port: int) -> Connection: ...


StreamRouter = Callable[[Object], StreamProvider]
"""Set by whatever runs pods: the node that a pod is on. BadRequest for one where nothing can be streamed from."""
