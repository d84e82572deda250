"""Which kind of isolation this system grants: tried, not guessed."""

import os
import subprocess
import sys

from kdl_local.node.launch import Isolation

_TRY = """
import os
from pathlib import Path
from kdl_local.node import namespaces as n
flags = n.CLONE_NEWNS | n.CLONE_NEWUTS
{enter}
n.make_mounts_private()
n.mount("tmpfs", {place!r}, "tmpfs", 0)
"""
_ENTER = {Isolation.ROOT: "n.unshare(flags)", Isolation.USER: "n.enter_user_namespace(flags)"}

MESSAGES = {
    Isolation.ROOT: "pods have mount namespaces of their own",
    Isolation.USER: "pods have mount namespaces of their own, inside user namespaces",
    Isolation.NONE: (
        "this system allows no mount namespaces: names of services do not resolve in pods and volumes cannot be "
        "mounted; allow unprivileged user namespaces or run the local cluster as root"
    ),
}


def detect(place: str) -> Isolation:
    """The best kind that works, tried in child processes; ``place`` is a directory to mount on there."""
    candidates = [Isolation.USER] if os.geteuid() else [Isolation.ROOT, Isolation.USER]
    for candidate in candidates:
        if _works(candidate, place):
            return candidate
    return Isolation.NONE


def _works(candidate: Isolation, place: str) -> bool:
    code = _TRY.format(enter=_ENTER[candidate], place=place)
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, timeout=60)
    return done.returncode == 0
