"""What the kubelet tells the launcher of a container, and what the launcher answers."""

from enum import StrEnum

import msgspec

from kdl_runtime.codec.json import decoder


class Isolation(StrEnum):
    """How a container gets a view of its own of the file system, of host name and of /etc/hosts.

    ``ROOT``: mount and UTS namespaces. ``USER``: the same inside a user namespace, for a user without privileges.
    ``NONE``: the system allows neither; a container then sees the host as it is and cannot have volumes.
    """

    ROOT = "root"
    USER = "user"
    NONE = "none"


class Mount(msgspec.Struct, frozen=True):
    """A file or directory of the host that the container sees at ``target``."""

    source: str
    target: str
    read_only: bool = False


class LaunchSpec(msgspec.Struct, frozen=True):
    """``work_dir`` must exist in the container's view. ``scratch`` is an empty directory of the host that the launcher
    may mount on. ``parent`` is the PID whose death ends the container. ``stdin``: the standard input is kept open for
    clients that attach, else there is none. ``terminal``: the container's streams are a terminal."""

    argv: list[str]
    env: dict[str, str]
    work_dir: str
    isolation: Isolation
    parent: int
    hostname: str = ""
    scratch: str = ""
    mounts: list[Mount] = []
    stdin: bool = False
    terminal: bool = False


class EntrySpec(msgspec.Struct, frozen=True):
    """A command inside the container whose first process is ``pid``. ``terminal``: its standard input is one, which
    becomes the terminal of its session."""

    pid: int
    argv: list[str]
    env: dict[str, str]
    work_dir: str
    isolation: Isolation
    parent: int
    terminal: bool = False


decode_spec = decoder(LaunchSpec)
decode_entry = decoder(EntrySpec)


def start_error(error: OSError, command: str, work_dir: str) -> str:
    """Why a command did not start, in the words of container runtimes for the common mistakes."""
    if isinstance(error, FileNotFoundError) and error.filename == work_dir:
        return f"workingDir {work_dir}: no such directory"
    if isinstance(error, FileNotFoundError) and "/" not in command:
        return f'exec: "{command}": executable file not found in $PATH'
    if isinstance(error, FileNotFoundError) and error.filename == command:
        return f'exec: "{command}": stat {command}: no such file or directory'
    if isinstance(error, PermissionError) and error.filename == command:
        return f'exec: "{command}": permission denied'
    if error.filename is not None:
        return f'exec: "{command}": {error.filename}: {error.strerror}'
    return str(error.strerror or error)


START_ERROR_EXIT = 128
"""Exit code of a container whose command could not be started, as container runtimes report it."""
