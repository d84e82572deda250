"""What the pages of the runtime name is there: files, headings, modules, tests."""

import ast
import re
from collections import Counter
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

import kdl_runtime
from kdl_testing.sim import ALL_FAULTS
from sim.runtime.test_planted_bugs import BUGS
from sim.runtime.test_played import OTHERS
from unit.docs.markdown import ROOT, RUNTIME_DOCS, Page, runtime_pages

PAGES = runtime_pages()
NAME = re.compile(r"^(kdl_(?:runtime|testing|local|workloads|cli)(?:\.\w+)*)(?:\(.*\))?$")
TEST_ID = re.compile(r"^((?:[\w-]+/)*test_\w+\.py)::(test_\w+)$")
TESTS = ROOT / "test" / "unit" / "kdl_runtime"
"""Where tests are that are named by less than their path."""
ON_A_REAL_SERVER = ROOT / "test" / "envtest" / "controllers"
EXAMPLES = sorted((ROOT / "examples" / "operators").rglob("*.py"))
IMPORT = re.compile(r"^from (kdl_runtime[\w.]*) import (\([^)]*\)|.*)$", re.MULTILINE)
BESIDES_THE_FACE = {
    "kdl_runtime.errors",
    "kdl_runtime.observe.logging",
    "kdl_runtime.resources.registry",
    "kdl_runtime.serve.issuing",
}
"""Modules that are named when their names are used, as the package says; and one that makes certificates for tests."""


def ids(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def read(path: Path) -> Page:
    return Page.read(path)


@cache
def functions_in(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text())
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def resolves(name: str) -> bool:
    """Whether it is a module, or something in one."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found = import_module(".".join(parts[:count]))
        except ImportError:
            continue
        for attribute in parts[count:]:
            if not hasattr(found, attribute):
                return False
            found = getattr(found, attribute)
        return True
    return False


@pytest.mark.parametrize("path", PAGES, ids=ids)
def test_links_lead_somewhere(path: Path) -> None:
    page = read(path)
    for link in page.links:
        if link.startswith(("http://", "https://")):
            continue
        file, _, fragment = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.exists(), f"{path.name} links to {link}"
        if fragment:
            assert fragment in read(target).anchors, f"{path.name} links to {link}"


@pytest.mark.parametrize("path", PAGES, ids=ids)
def test_names_of_modules_and_tests_exist(path: Path) -> None:
    for code in read(path).codes:
        if match := NAME.match(code):
            assert resolves(match.group(1)), f"{path.name} names {code}"
        elif match := TEST_ID.match(code):
            file = (ROOT if match.group(1).startswith("test/") else TESTS) / match.group(1)
            assert file.exists(), f"{path.name} names {code}"
            assert match.group(2) in functions_in(file), f"{path.name} names {code}"


@pytest.mark.parametrize("path", [*PAGES, *EXAMPLES], ids=ids)
def test_what_is_shown_imports_the_public_face(path: Path) -> None:
    text = path.read_text()
    code = text if path.suffix == ".py" else "".join(of.text for of in read(path).blocks if of.language == "python")
    face = set(kdl_runtime.__all__)
    for module, names in IMPORT.findall(code):
        imported = {name.strip() for name in names.strip("()").split(",") if name.strip()}
        if module == "kdl_runtime":
            assert imported <= face
        else:
            assert module in BESIDES_THE_FACE, f"{path.name} imports {module}"
            assert imported.isdisjoint(face), f"{path.name} imports {module}, and not kdl_runtime"


@pytest.mark.parametrize("section", range(1, 12))
def test_every_behaviour_has_a_place_and_a_proof_or_a_reason(section: int) -> None:
    page = read(RUNTIME_DOCS / "semantics.md")
    _, found, rest = page.text.partition(f"\n## 1.{section} ")
    assert found, f"section 1.{section} is missing"
    rows = Page(page.path, rest.partition("\n## ")[0]).table_rows()
    assert len(rows) >= 3
    for behaviour, place, proof in rows:
        if place.startswith("left out: "):
            continue
        assert "](../../src/" in place, f"{behaviour}: which module?"
        assert "::test_" in proof, f"{behaviour}: which test?"


@pytest.mark.parametrize("path", sorted(ON_A_REAL_SERVER.glob("test_*.py")), ids=ids)
def test_what_is_proven_on_a_real_server_is_said(path: Path) -> None:
    named = set(read(RUNTIME_DOCS / "semantics.md").codes)
    tests = {f"{path.relative_to(ROOT)}::{name}" for name in functions_in(path) if name.startswith("test_")}
    assert tests - named == set()


def test_every_fault_of_the_simulation_is_in_the_table_and_counted() -> None:
    page = read(RUNTIME_DOCS / "simulation.md")
    rows = [row for row in page.table_rows() if len(row) == 4]
    told = Counter(name for row in rows for name in re.findall(r"`([\w-]+)`", row[1]))
    assert set(told.values()) == {1}
    assert told.keys() == {*ALL_FAULTS, *OTHERS}
    mistakes = {name for row in rows for name in re.findall(r"`(\w+)`", row[2])}
    assert mistakes <= {plant.__name__ for plant, _, _ in BUGS}
    assert all("::test_" in row[3] for row in rows)


@pytest.mark.parametrize("path", PAGES, ids=ids)
def test_a_message_in_a_diagram_has_no_semicolon(path: Path) -> None:
    # It would end the statement: https://mermaid.js.org/syntax/sequenceDiagram.html
    for block in read(path).blocks:
        if block.language == "mermaid" and block.text.startswith("sequenceDiagram"):
            assert ";" not in block.text


@pytest.mark.parametrize("name", ["README.md", "deploying.md"])
def test_a_pod_takes_the_memory_that_was_measured(name: str) -> None:
    rows = read(RUNTIME_DOCS / "benchmark.md").table_rows()
    measured = {row[1] for row in rows if re.match(r"at most \d KiB for each of 100,000 pods", row[0])}
    told = set(re.findall(r"[\d.]+ KiB", read(RUNTIME_DOCS / name).text))
    assert told == measured


def test_a_page_that_nobody_links_is_found_by_nobody() -> None:
    linked = {(page.parent / link.partition("#")[0]).resolve() for page in PAGES for link in read(page).links}
    assert [page.name for page in PAGES if page not in linked] == []


def test_pages_are_read_by_people() -> None:
    written = [page for page in PAGES if page.parent.name != "api" and page.name != "api.md"]
    assert {page.name: count for page in written if (count := len(read(page).text.splitlines())) > 260} == {}


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("kdl_runtime", True),
        ("kdl_runtime.Manager", True),
        ("kdl_runtime.cache.cache.Cache.declare", True),
        ("kdl_runtime.cache.cache.Cache.nothing", False),
        ("kdl_runtime.nowhere", False),
    ],
)
def test_names_resolve(name: str, there: bool) -> None:
    assert resolves(name) == there
