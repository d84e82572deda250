"""The page on testing: its blocks are tests, with assertions of their own."""

from pathlib import Path

from unit.docs.execution import Execution
from unit.docs.markdown import RUNTIME_DOCS, Page


def test_its_tests_pass(tmp_path: Path) -> None:
    page = Page.read(RUNTIME_DOCS / "testing.md")
    done = Execution(page, tmp_path).run()
    assert done.done == len([block for block in page.blocks if not block.words])
    assert done.names["seed"] == 9
