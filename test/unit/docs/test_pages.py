"""Every page is done: by a test of its own that gives it what it needs, or by this one."""

from pathlib import Path

import pytest

from unit.docs.execution import Execution
from unit.docs.markdown import RUNTIME_DOCS, Page, runtime_pages

WITH_A_TEST = {
    "tutorial.md": "test_tutorial.py",
    "testing.md": "test_testing_page.py",
    "simulation.md": "test_testing_page.py",
    "webhooks.md": "test_webhooks_page.py",
    "coming-from-controller-runtime.md": "test_coming_from.py",
    "coming-from-kopf.md": "test_coming_from.py",
}
OTHERS = [page for page in runtime_pages() if page.name not in WITH_A_TEST]


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: str(path.relative_to(RUNTIME_DOCS)))
def test_blocks_do_what_they_say(path: Path, tmp_path: Path) -> None:
    page = Page.read(path)
    code = [block for block in page.blocks if block.language in ("python", "console")]
    done = Execution(page, tmp_path).run().done
    assert done >= len([block for block in code if "elsewhere" not in block.words])


@pytest.mark.parametrize(("page", "test"), WITH_A_TEST.items())
def test_a_page_with_a_test_of_its_own_has_it(page: str, test: str) -> None:
    assert (RUNTIME_DOCS / page).exists()
    assert page in Path(__file__).with_name(test).read_text()
