"""A workload from another package: found by its entry point, and with everything that a built-in one has."""

import shutil
from pathlib import Path

import pytest

from kdl_workloads.crds import crd
from kdl_workloads.dialects.kubedl import KubeDL
from kdl_workloads.framework import KUBEDL, Framework, RoleState, Verdict
from kdl_workloads.frameworks.registry import enabled, frameworks
from kdl_workloads.job import ConditionType

SOURCE = Path(__file__).with_name("dask_plugin.py")


@pytest.fixture
def dask(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Framework:
    """The plugin as pip would have installed it."""
    shutil.copy(SOURCE, tmp_path / "kdl_dask.py")
    metadata = tmp_path / "kdl_dask-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: kdl-dask\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[kdl.workloads]\ndask = kdl_dask:Dask\n")
    monkeypatch.syspath_prepend(tmp_path)
    return frameworks()["DaskJob"]


def test_it_is_found_and_enabled(dask: Framework) -> None:
    known = {dask.kind: dask}
    assert enabled("auto", {dask.resource(KUBEDL)}, known) == [(dask, KUBEDL)]
    assert enabled("-DaskJob", {dask.resource(KUBEDL)}, known) == []


def test_its_crd(dask: Framework) -> None:
    generated = crd(dask, KUBEDL)
    assert generated["metadata"]["name"] == "daskjobs.training.kubedl.io"
    spec = generated["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    rules = [rule["message"] for rule in spec["daskReplicaSpecs"]["x-kubernetes-validations"]]
    assert "spec.daskReplicaSpecs.Scheduler is required, once" in rules
    assert "backoffLimit" in spec


def test_its_jobs(dask: Framework) -> None:
    replica = {"template": {"spec": {"containers": [{"name": "dask", "image": "i"}]}}}
    obj = {
        "apiVersion": KUBEDL,
        "kind": "DaskJob",
        "metadata": {"name": "d", "namespace": "n"},
        "spec": {"daskReplicaSpecs": {"Scheduler": replica, "worker": {**replica, "replicas": 2}}},
    }
    job = KubeDL().decode(obj, dask)
    assert list(job.roles) == ["Scheduler", "Worker"]
    assert dask.has_service(job, "Scheduler")
    assert not dask.has_service(job, "Worker")
    assert dask.cluster_env(job, "Worker", 0)[0]["value"] == "tcp://d-scheduler-0:8786"
    done = {"Scheduler": RoleState(1, active=1), "Worker": RoleState(2, succeeded_indexes=frozenset({0, 1}))}
    assert dask.evaluate(job, done) == Verdict(ConditionType.SUCCEEDED)
