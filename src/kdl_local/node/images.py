"""What an image name means where no image is pulled: which programs a container finds."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

PYTHON_IMAGE = "kdl/python"

_PASSED_ON = ("HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH")
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def repository(image: str) -> str:
    """The name of an image without registry host, tag and digest: ``docker.io/kdl/python:1`` is ``kdl/python``."""
    name = image.split("@")[0]
    head, slash, last = name.rpartition("/")
    name = head + slash + last.split(":")[0]
    first, _, rest = name.partition("/")
    is_host = rest and ("." in first or ":" in first or first == "localhost")
    return rest if is_host else name


class Images:
    """``kdl/python`` in any version is the Python that runs the node, with everything installed beside it; every other
    image is the host's own programs. ``directory`` holds what is made for the former."""

    def __init__(self, directory: Path, host: Mapping[str, str] | None = None) -> None:
        host = os.environ if host is None else host
        self._host_path = host.get("PATH") or _DEFAULT_PATH
        self._base = {name: host[name] for name in _PASSED_ON if name in host}
        self._python_path = self._programs(directory)

    def environment(self, image: str) -> dict[str, str]:
        """Variables that a container of this image starts from."""
        path = self._host_path
        if repository(image) == PYTHON_IMAGE:
            path = f"{self._python_path}:{path}"
        return {**self._base, "PATH": path}

    @staticmethod
    def _programs(directory: Path) -> str:
        """Where ``python`` and ``python3`` lead to this interpreter: its own directory if it has both."""
        own = Path(sys.executable).parent
        if all((own / name).exists() for name in ("python", "python3")):
            return str(own)
        directory.mkdir(parents=True, exist_ok=True)
        for name in ("python", "python3"):
            script = directory / name
            script.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
            script.chmod(0o755)
        return f"{directory}:{own}"
