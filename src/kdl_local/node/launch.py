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
    may mount on. ``parent`` is the PID whose death ends the container."""

    argv: list[str]
    env: dict[str, str]
    work_dir: str
    isolation: Isolation
    parent: int
    hostname: str = ""
    scratch: str = ""
    mounts: list[Mount] = []


decode_spec = decoder(LaunchSpec)

START_ERROR_EXIT = 128
"""Exit code of a container whose command could not be started, as container runtimes report it."""
