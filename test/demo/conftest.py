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
