"""docs/custom-workload.md: a workload from another package, with everything that a built-in one has."""

import importlib
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import plugin_lines
from kdl_runtime.types import Resource
from kdl_testing.virtual_time import run
from kdl_workloads.crds import crd
from kdl_workloads.framework import KUBEDL, Framework
from kdl_workloads.frameworks.registry import RegistryError, enabled, frameworks
from unit.kdl_workloads.operator.cluster import NAMESPACE, Cluster, Operator

PAGE = Path(__file__).parents[4] / "docs" / "custom-workload.md"
FILES = dict(re.findall(r"^```\w+ file=(\S+)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL))


@pytest.fixture
def dask(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Framework]:
    """The plugin of the page, as pip would have installed it."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    project = tomllib.loads(FILES["pyproject.toml"])["project"]
    name, version = project["name"], project["version"]
    metadata = tmp_path / f"{name.replace('-', '_')}-{version}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    groups = project["entry-points"].items()
    lines = [f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in found.items()) for group, found in groups]
    (metadata / "entry_points.txt").write_text("".join(lines))
    monkeypatch.syspath_prepend(tmp_path)
    yield frameworks()["DaskJob"]
    for module in ("kdl_dask", "test_dask"):
        sys.modules.pop(module, None)


def test_it_is_found_and_enabled(dask: Framework) -> None:
    known = {dask.kind: dask}
    assert enabled("auto", {dask.resource(KUBEDL)}, known) == [(dask, KUBEDL)]
    assert enabled("-DaskJob", {dask.resource(KUBEDL)}, known) == []
    assert (dask.plural, dask.singular) == ("daskjobs", "daskjob")


def test_its_crd(dask: Framework) -> None:
    generated = crd(dask, KUBEDL)
    assert generated["metadata"]["name"] == "daskjobs.training.kubedl.io"
    spec = generated["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    rules = [rule["message"] for rule in spec["daskReplicaSpecs"]["x-kubernetes-validations"]]
    assert "spec.daskReplicaSpecs.Scheduler is required, once" in rules
    assert "Scheduler (one replica)" in spec["daskReplicaSpecs"]["description"]
    assert "backoffLimit" in spec


@pytest.mark.usefixtures("dask")
def test_its_own_test_passes() -> None:
    importlib.import_module("test_dask").test_workers_know_the_scheduler()


def test_its_rights_are_those_of_the_other_kinds() -> None:
    mine = yaml.safe_load(FILES["role.yaml"])["rules"]
    role = next(yaml.safe_load_all((PAGE.parents[1] / "deploy" / "operator" / "role.yaml").read_text()))
    theirs = [rule["verbs"] for rule in role["rules"] if rule["apiGroups"] == ["training.kubedl.io"]]
    assert [rule["verbs"] for rule in mine] == theirs


def test_it_is_small() -> None:
    assert plugin_lines.code_lines(FILES["kdl_dask.py"]) <= plugin_lines.MAX_SIMPLEST


def test_a_name_is_taken_once(monkeypatch: pytest.MonkeyPatch, dask: Framework) -> None:
    monkeypatch.setattr("kdl_workloads.frameworks.registry.BUILT_IN", (dask,))
    with pytest.raises(RegistryError, match="kind DaskJob exists already"):
        frameworks()


def env_of(pod: dict[str, Any]) -> dict[str, str]:
    return {item["name"]: item["value"] for item in pod["spec"]["containers"][0]["env"]}


async def run_the_job(resource: Resource) -> None:
    cluster = Cluster(resource)
    job = yaml.safe_load(FILES["job.yaml"])
    cluster.direct.create(resource, {**job, "metadata": {**job["metadata"], "namespace": NAMESPACE}})
    async with cluster.operator() as operator:
        await live(cluster, operator)
        assert cluster.conditions(resource, "taxis")[-1] == "Succeeded=True"


async def live(cluster: Cluster, operator: Operator) -> None:
    await operator.settle()
    assert list(cluster.pods()) == ["taxis-scheduler-0"]
    assert cluster.services() == ["taxis-scheduler-0"]
    cluster.run_all()
    await operator.settle()
    workers = {name: pod for name, pod in cluster.pods().items() if "worker" in name}
    assert sorted(workers) == ["taxis-worker-0", "taxis-worker-1"]
    for pod in workers.values():
        assert env_of(pod) == {"DASK_SCHEDULER_ADDRESS": "tcp://taxis-scheduler-0:8786"}
    cluster.run_all()
    await operator.settle()
    for name in workers:
        cluster.end(name)
    await operator.settle()


def test_its_job_runs_to_its_end(dask: Framework) -> None:
    run(run_the_job(dask.resource(KUBEDL)))
