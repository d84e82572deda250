import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.sandbox import Sandbox


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    made = Sandbox(tmp_path)
    made.temporary.mkdir()
    (tmp_path / "home").mkdir()
    yield made
    for line in made.processes():
        os.kill(int(line.partition(":")[0]), 9)


@pytest.fixture
def kubeconfig(sandbox: Sandbox) -> Iterator[Path]:
    """A local cluster with the CRDs, for the time of the test."""
    path = sandbox.root / "kubeconfig"
    sandbox.run("local", "up", "--kubeconfig", str(path))
    sandbox.run("crds", "--install", "--kubeconfig", str(path))
    yield path
    sandbox.run("local", "down")
    path.unlink(missing_ok=True)
    assert sandbox.leftovers() == []
