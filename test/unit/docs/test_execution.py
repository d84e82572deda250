"""What runs the blocks of a page notices what is wrong with them."""

import re
import time
from pathlib import Path

import pytest
import yaml

from unit.docs.execution import Execution, pattern
from unit.docs.markdown import Page, anchor

FENCE = "```"


def execution(text: str, directory: Path) -> Execution:
    page = Page(directory / "page.md", text.replace("'''", FENCE))
    return Execution(page, directory)


def test_blocks_share_names_and_files(tmp_path: Path) -> None:
    text = """
'''python file=written.py
VALUE = 20
'''
'''python
import written
doubled = 2 * written.VALUE
'''
'''python
answer = doubled + 2
'''
'''console
$ cat written.py
VALUE = ...
'''
'''yaml
a: 1
'''
"""
    done = execution(text, tmp_path).run()
    assert (done.names["answer"], done.done) == (42, 4)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("'''python\nassert False, 'because'\n'''", "because"),
        ("'''python\nno python\n'''", "invalid syntax"),
        ("'''python file=x.py\nno python\n'''", "invalid syntax"),
        ("'''python elsewhere\nno python\n'''", "invalid syntax"),
        ("'''yaml file=x.yaml\na: [\n'''", "while parsing"),
        ("'''console\n$ false\n$ true\n'''", "page.md:1: .* ended with 1"),
        ("'''console\n$ echo one\ntwo\n'''", "page.md:1: no line 'two'"),
        ("'''console\n$ printf 'two\\none\\n'\none\ntwo\n'''", "no line 'two'"),
        ("'''python skip\n1\n'''", "nobody knows the words"),
        ("'''python elsewhere file=x.py\n1\n'''", "nobody knows the words"),
        ("'''ruby\n1\n'''", "a block of ruby"),
        ("'''\n1\n'''", "a block of no language"),
        ("'''python\n1", "page.md:1: the block does not end"),
    ],
)
def test_what_is_wrong_is_noticed(text: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises((AssertionError, SyntaxError, ValueError, yaml.YAMLError), match=reason):
        execution(text, tmp_path).run()


def alive(process: int) -> bool:
    """A zombie is dead: whoever has inherited it has only not looked yet."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_what_a_block_leaves_in_the_background_is_ended(tmp_path: Path) -> None:
    text = "'''console\n$ sleep 60 &\n$ echo $! > pid\n'''"
    execution(text, tmp_path).run()
    process = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 10
    while alive(process):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_blocks_that_are_not_for_here_are_not_run(tmp_path: Path) -> None:
    text = "'''python elsewhere\nimport nowhere\n'''\n'''console elsewhere\n$ false\n'''\n'''go\nfunc main() {}\n'''"
    assert execution(text, tmp_path).run().done == 0


@pytest.mark.parametrize(
    ("line", "printed", "matches"),
    [
        ("a ... z", "a b c z", True),
        ("a ...", "a", False),
        ("a", "a b", False),
        ("NAME PHASE", "NAME    PHASE", True),
        ("a.b", "a-b", False),
    ],
)
def test_expected_lines(line: str, printed: str, matches: bool) -> None:
    assert bool(re.search(pattern(line), printed, re.MULTILINE)) == matches


def test_anchors_are_those_of_github() -> None:
    assert anchor("Own writes, and `get`") == "own-writes-and-get"
    assert anchor("## 1.2 x".removeprefix("## ")) == "12-x"


def test_tables_links_and_inline_code_are_found() -> None:
    text = "# Top\n| a | b |\n|---|---|\n| `x.y` | [p](q.md#r) |\n```text\n[no](link) `no`\n```\n"
    page = Page(Path("page.md"), text)
    assert page.table_rows() == [["`x.y`", "[p](q.md#r)"]]
    assert (page.links, page.codes, page.anchors) == (["q.md#r"], ["x.y"], {"top"})
