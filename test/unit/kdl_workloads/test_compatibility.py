"""docs/compatibility.md names every kind, and only tests that there are."""

import re
from pathlib import Path

from kdl_workloads.framework import KUBEDL, KUBEFLOW
from kdl_workloads.frameworks.registry import BUILT_IN

TESTS = Path(__file__).parents[2]
PAGE = (TESTS.parent / "docs" / "compatibility.md").read_text()
NAMED = sorted(set(re.findall(r"`(\S+\.py)::(\w+)`", PAGE)))


def test_the_tests_that_it_names_are_there() -> None:
    assert len(NAMED) > 30
    for file, name in NAMED:
        path = TESTS / file.removeprefix("/") if file.startswith("/") else TESTS / "unit" / "kdl_workloads" / file
        assert re.search(rf"^(async )?def {name}\(", path.read_text(), re.MULTILINE), f"{file}::{name}"


def test_it_names_every_kind_in_its_groups() -> None:
    rows = dict(re.findall(r"^\| (\w+Job)[^|]*\| (.) \| ", PAGE, re.MULTILINE))
    kubeflow = dict(re.findall(r"^\| (\w+Job)[^|]*\| . \| (.) \| ", PAGE, re.MULTILINE))
    assert rows == {framework.kind: "✓" if KUBEDL in framework.conventions else "–" for framework in BUILT_IN}
    assert kubeflow == {framework.kind: "✓" if KUBEFLOW in framework.conventions else "–" for framework in BUILT_IN}


def test_every_known_defect_has_its_row() -> None:
    cells = re.findall(r"^\| ((?:B?\d+(?:, )?)+) \|.*`\S+\.py::\w+` \|$", PAGE, re.MULTILINE)
    numbers = [number for cell in cells for number in cell.split(", ")]
    assert sorted(numbers) == sorted([*(f"B{i}" for i in range(1, 31)), *map(str, range(1, 20))])
