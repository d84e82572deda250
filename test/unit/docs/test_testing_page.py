"""The pages on testing and simulation: their blocks are tests, with assertions of their own."""

from pathlib import Path

from unit.docs.execution import Execution
from unit.docs.markdown import ROOT, RUNTIME_DOCS, Page

EXAMPLES = ROOT / "examples" / "operators"


def test_its_tests_pass(tmp_path: Path) -> None:
    page = Page.read(RUNTIME_DOCS / "testing.md")
    done = Execution(page, tmp_path).run()
    assert done.done == len([block for block in page.blocks if not block.words])
    assert done.names["seed"] == 9


def test_a_simulation_finds_what_is_wrong(tmp_path: Path) -> None:
    page = Page.read(RUNTIME_DOCS / "simulation.md")
    done = Execution(page, tmp_path, {"PYTHONPATH": str(EXAMPLES)}).run()
    assert done.done == len(page.blocks)
