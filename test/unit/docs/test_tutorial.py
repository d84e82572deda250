"""The tutorial is followed to the letter."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from kdl_local import daemon
from unit.docs.execution import Execution
from unit.docs.markdown import RUNTIME_DOCS, Page


@pytest.fixture
def clusters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Clusters of this test alone, which are stopped when it fails in the middle."""
    monkeypatch.setenv("KDL_STATE_HOME", str(tmp_path / "state"))
    yield
    for name in daemon.names():
        daemon.down(name)


@pytest.mark.usefixtures("clusters")
def test_it_works_and_the_operator_has_forty_lines(tmp_path: Path) -> None:
    page = Page.read(RUNTIME_DOCS / "tutorial.md")
    directory = tmp_path / "tutorial"
    directory.mkdir()
    done = Execution(page, directory, os.environ).run().done
    assert done == sum(block.language != "text" for block in page.blocks)
    operator = (directory / "preview.py").read_text().splitlines()
    assert len([line for line in operator if line.strip()]) <= 40
    assert daemon.names() == []
