"""docs/metrics.md says what an operator serves."""

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from kdl_workloads.engine.metrics import JobMetrics
from kdl_workloads.engine.transitions import Transition
from unit.docs.markdown import ROOT, Page
from unit.kdl_workloads.engine.test_job_metrics import live, watched

PAGES = [Page.read(ROOT / "docs" / name) for name in ("metrics.md", "progress.md")]
TEST = re.compile(r"^(/?[\w/-]+\.py)::(\w+)$")


def served() -> dict[str, tuple[str, frozenset[str]]]:
    """Type and labels by name, of an operator that has seen everything happen."""
    of = watched()
    live(of)
    for transition in Transition:
        of.metrics.counts.add(transition, "PyTorchJob", "ns")
    of.metrics.counts.leading = True
    text = generate_latest(of.registry).decode()
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, flags=re.MULTILINE))
    names: dict[str, set[str]] = {name: set() for name in types}
    for sample, labels in re.findall(r"^(\w+)(?:{(.*)})? ", text, flags=re.MULTILINE):
        family = sample if sample in types else re.sub(r"_(bucket|count|sum)$", "", sample)
        names[family] |= set(re.findall(r'(\w+)="', labels)) - {"le"}
    # The times at which prometheus-client's own instruments were made are left out when they are served.
    made = {f"{name.removesuffix('_total')}_created" for name in types}
    return {name: (types[name], frozenset(names[name])) for name in types if name not in made}


def test_the_table_is_what_is_served() -> None:
    rows = [row for row in PAGES[0].table_rows() if len(row) == 4]
    told = {name.strip("`"): (type_, frozenset(re.findall(r"\w+", labels))) for name, type_, labels, _ in rows}
    assert told == served()


def test_the_buckets_are_as_told() -> None:
    registry = CollectorRegistry()
    JobMetrics(registry).tracker("PyTorchJob", "pytorch")
    bounds = {
        name: [
            sample.labels["le"]
            for family in registry.collect()
            for sample in family.samples
            if sample.name == f"kdl_jobs_{name}_seconds_bucket"
        ]
        for name in ("first_pod_launch_delay", "all_pods_launch_delay", "queue", "restart")
    }
    assert [(found[0], found[-2], found[-1]) for found in bounds.values()] == [
        ("0.5", "1800.0", "+Inf"),
        ("0.5", "1800.0", "+Inf"),
        ("1.0", "86400.0", "+Inf"),
        ("1.0", "86400.0", "+Inf"),
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path.name)
def test_what_the_pages_name_is_there(page: Page) -> None:
    tests = [match for code in page.codes if (match := TEST.match(code))]
    assert tests
    for path, function in (match.groups() for match in tests):
        file = ROOT / "test" / path[1:] if path.startswith("/") else ROOT / "test" / "unit" / "kdl_workloads" / path
        assert f"def {function}(" in file.read_text(), f"{path}::{function}"
    for link in page.links:
        assert link.startswith("http") or (page.path.parent / Path(link.partition("#")[0])).exists(), link
