"""Plugins stay small, and the count of their lines counts what it says."""

import statistics

import pytest

import plugin_lines
from kdl_workloads.frameworks.registry import BUILT_IN


def test_plugins_are_small() -> None:
    counts = plugin_lines.plugins()
    assert len(counts) == len(BUILT_IN) + len(plugin_lines.OF_THEIR_OWN)
    assert min(counts.values()) <= plugin_lines.MAX_SIMPLEST
    assert statistics.median(counts.values()) <= plugin_lines.MAX_MEDIAN
    assert max(counts.values()) <= plugin_lines.MAX_LARGEST


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("", 0),
        ('"""A module."""\n\nimport os\nfrom a import (\n    b,\n    c,\n)\n', 0),
        ("x = 1  # one\n# two\n", 1),
        ('def f():\n    """Two\n    lines."""\n    return (\n        1,\n    )\n', 4),
        ('x = """a\nb"""\n', 2),
    ],
)
def test_what_is_a_line_of_code(source: str, lines: int) -> None:
    assert plugin_lines.code_lines(source) == lines


def test_the_command_prints_them(capsys: pytest.CaptureFixture[str]) -> None:
    plugin_lines.main()
    printed = capsys.readouterr().out.splitlines()
    plugins = len(BUILT_IN) + len(plugin_lines.OF_THEIR_OWN)
    assert len(printed) == plugins + 1
    assert printed[-1].endswith(f"median of {plugins}")
