"""The directory of a pod on the host."""

import os
from pathlib import Path


class PodFiles:
    """``volumes/<name>``, ``containers/<name>`` with logs and termination messages, ``hosts``, and ``work``: the
    working directory of containers that name none."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.hosts = directory / "hosts"
        self.work = directory / "work"
        self.scratch = directory / "scratch"

    def make(self) -> None:
        for path in (self.directory, self.work, self.scratch):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def volume(self, name: str) -> Path:
        return self.directory / "volumes" / name

    def container(self, name: str) -> Path:
        return self.directory / "containers" / name

    def write_hosts(self, text: str) -> None:
        """In place: containers have this very file mounted, and would not see another one of its name."""
        data = text.encode()
        descriptor = os.open(self.hosts, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            if os.pread(descriptor, len(data) + 1, 0) != data:
                os.pwrite(descriptor, data, 0)
                os.ftruncate(descriptor, len(data))
        finally:
            os.close(descriptor)
