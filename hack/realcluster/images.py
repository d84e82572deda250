"""The images that a node cannot be without, from hack/images."""

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from realcluster.errors import ClusterError

PAUSE = "docker.io/kdl/pause:1"
_IMAGES = Path(__file__).parents[1] / "images"


def archives(names: Sequence[str], report: Callable[[str], None]) -> list[Path]:
    """Made if they are not there yet. ClusterError."""
    done = subprocess.run([_IMAGES, "build", *names], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ClusterError(f"'hack/images build {' '.join(names)}' failed: {done.stderr.strip()}")
    for line in done.stderr.splitlines():
        report(line.strip())
    return [Path(line) for line in done.stdout.split("\n") if line]
