"""``kdl migrate`` against an API server in this process."""

from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from kdl_cli.commands import migrate
from kdl_cli.errors import CliError
from kdl_cli.main import run
from kdl_cli.options import Connection
from kdl_runtime.client.client import DeleteOptions
from kdl_runtime.codec import json
from kdl_runtime.resources.registry import CRDS, PODS
from kdl_runtime.types import ObjectKey
from kdl_workloads.crds import crd
from kdl_workloads.framework import KUBEFLOW
from kdl_workloads.frameworks.registry import frameworks

HERE = Connection()
PEER_FINALIZER = "kubedl.io/preempt-protector"


# ---- manifests


def write(path: Path, *documents: Any) -> str:
    path.write_text(yaml.safe_dump_all(documents), encoding="utf-8")
    return str(path)


CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "program"}, "data": {"a": "b"}}


def xgboost(name: str = "digits", **spec: Any) -> dict[str, Any]:
    role = {"template": {"spec": {"containers": [{"name": "xgboostjob", "image": "train:1"}]}}}
    return {
        "apiVersion": "training.kubedl.io/v1alpha1",
        "kind": "XGBoostJob",
        "metadata": {"name": name},
        "spec": {"xgbReplicaSpecs": {"Master": role, "Worker": role}, **spec},
    }


def test_jobs_are_converted_and_other_objects_printed_as_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "job.yaml", CONFIG_MAP, xgboost())
    assert run(["migrate", "manifest", "-f", path, "--to", "kubeflow"]) == 0
    printed = capsys.readouterr()
    first, second = yaml.safe_load_all(printed.out)
    assert first == CONFIG_MAP
    assert second["apiVersion"] == "kubeflow.org/v1"
    assert "RANK=1 (was 0)" in printed.err
    back = tmp_path / "back.yaml"
    back.write_text(printed.out, encoding="utf-8")
    assert run(["migrate", "manifest", "-f", str(back), "--to", "kubeflow.org/v1"]) == 0
    again = capsys.readouterr()
    assert again.out == printed.out, "a job of that version already"
    assert again.err == ""


def test_a_directory_is_all_its_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "a.yaml", xgboost("a"))
    write(tmp_path / "b.yml", xgboost("b"))
    (tmp_path / "README.md").write_text("none", encoding="utf-8")
    assert run(["migrate", "manifest", "-f", str(tmp_path), "--to", "kubeflow"]) == 0
    assert [item["metadata"]["name"] for item in yaml.safe_load_all(capsys.readouterr().out)] == ["a", "b"]


def test_strict_refuses_what_cannot_be_carried_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "job.yaml", xgboost(cronPolicy={"schedule": "@daily"}))
    arguments = ["migrate", "manifest", "-f", path, "--to", "kubeflow"]
    assert run(arguments) == 0
    assert "spec.runPolicy.cronPolicy does not exist in kubeflow.org/v1" in capsys.readouterr().err
    assert run([*arguments, "--strict"]) == 1
    assert "1 fields could not be carried over" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("target", "kind", "message"),
    [
        ("nonsense", "XGBoostJob", "--to nonsense: use kubedl, kubeflow"),
        ("kubeflow", "MarsJob", "MarsJob does not exist in kubeflow.org/v1"),
    ],
)
def test_what_cannot_be_converted_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], target: str, kind: str, message: str
) -> None:
    path = write(tmp_path / "job.yaml", {**xgboost(), "kind": kind})
    assert run(["migrate", "manifest", "-f", path, "--to", target]) == 1
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.out == ""


def test_an_empty_directory_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["migrate", "manifest", "-f", str(tmp_path), "--to", "kubedl"]) == 1
    assert "has no .yaml, .yml or .json file" in capsys.readouterr().err


# ---- clusters: test/envtest/test_migration.py has the parts that need a real one


async def occupied(cluster: Any) -> dict[str, str]:
    """A job that runs under KubeDL, with one pod that KubeDL holds. Its pods' UIDs by name."""
    stored = await cluster.create(cluster.xgboost, cluster.job(status={"conditions": [cluster.held("Running", 1)]}))
    owner = {"apiVersion": stored["apiVersion"], "kind": stored["kind"], "controller": True}
    owner |= {name: stored["metadata"][name] for name in ("name", "uid")}
    for role, index in (("master", 0), ("worker", 0), ("worker", 1)):
        pod = cluster.pod(role, index)
        held = {"finalizers": [PEER_FINALIZER, "other/one"]} if role == "master" else {}
        metadata = {"namespace": "default", "ownerReferences": [owner], **held}
        metadata |= {name: pod["metadata"][name] for name in ("name", "labels")}
        await cluster.create(PODS, {**pod, "metadata": metadata})
    return await uids(cluster)


async def uids(cluster: Any) -> dict[str, str]:
    return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in await cluster.session.client.list(PODS)}


async def output_of(capsys: pytest.CaptureFixture[str], command: Any) -> str:
    capsys.readouterr()
    await command
    return click.unstyle(capsys.readouterr().out)


async def test_an_empty_cluster(cluster: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert "There are no jobs." in await output_of(capsys, migrate._cluster(HERE, [], None))


async def test_without_apply_everything_is_told_and_nothing_changed(
    cluster: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    await occupied(cluster)
    kinds = (PODS, CRDS, cluster.xgboost)
    before = [await cluster.session.client.list(kind) for kind in kinds]
    printed = await output_of(capsys, migrate._cluster(HERE, [], None))
    for line in (
        "default     digits-master-0",
        "default     XGBoostJob   digits   Running   3      Continues   <none>",
        "Nothing was changed. Do it with --apply.",
    ):
        assert line in printed
    assert [await cluster.session.client.list(kind) for kind in kinds] == before


async def test_apply_makes_room_and_verify_tells_of_the_pods(
    cluster: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pods = await occupied(cluster)
    client, snapshot = cluster.session.client, tmp_path / "before.json"
    printed = await output_of(capsys, migrate._cluster(HERE, [], snapshot))
    assert "pod/digits-master-0 in default: finalizer of the other operator taken off" in printed
    assert "customresourcedefinition.apiextensions.k8s.io/tfjobs.kubeflow.org created" in printed
    assert f"kdl migrate verify {snapshot}" in printed
    assert await uids(cluster) == pods
    master = await client.get(PODS, ObjectKey("default", "digits-master-0"))
    assert master["metadata"]["finalizers"] == ["other/one"]
    assert json.decode(snapshot.read_bytes())["jobs"][0]["pods"] == pods
    assert "3 pods run on, 0 have ended, 0 were replaced" in await output_of(capsys, migrate._verify(snapshot, HERE))
    assert "taken off" not in await output_of(capsys, migrate._cluster(HERE, [], snapshot)), "once more does no harm"


async def test_verify_finds_a_pod_that_was_replaced(
    cluster: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    await occupied(cluster)
    client, snapshot = cluster.session.client, tmp_path / "before.json"
    await migrate._cluster(HERE, [], snapshot)
    await cluster.set_status(PODS, "digits-worker-0", {"phase": "Succeeded"})
    await client.delete(PODS, ObjectKey("default", "digits-worker-1"), DeleteOptions(grace_period_seconds=0))
    with pytest.raises(CliError, match="1 pods were replaced"):
        await migrate._verify(snapshot, HERE)
    printed = capsys.readouterr().out
    assert "1 pods run on, 1 have ended, 1 were replaced" in printed
    assert "replaced: default/digits-worker-1" in printed
    await cluster.set_status(cluster.xgboost, "digits", {"conditions": [cluster.held("Succeeded", 2)]})
    await migrate._verify(snapshot, HERE)
    assert "1 pods run on, 2 have ended, 0 were replaced" in capsys.readouterr().out


async def test_a_version_that_is_still_stored_is_an_obstacle(cluster: Any, tmp_path: Path) -> None:
    client, key = cluster.session.client, ObjectKey("", "xgboostjobs.training.kubedl.io")
    definition = await client.get(CRDS, key)
    [version] = definition["spec"]["versions"]
    versions = [{**version, "storage": False}, {**version, "name": "v1alpha0"}]
    await client.update(CRDS, {**definition, "spec": {**definition["spec"], "versions": versions}})
    with pytest.raises(CliError, match=r"CRD xgboostjobs.training.kubedl.io: objects may still be stored as v1alpha0"):
        await migrate._cluster(HERE, [], tmp_path / "none.json")
    assert not (tmp_path / "none.json").exists()


async def test_a_kind_that_only_another_version_has_is_an_obstacle_too(cluster: Any) -> None:
    client = cluster.session.client
    definition = crd(frameworks()["MPIJob"], KUBEFLOW)
    version = definition["spec"]["versions"][0]
    definition["spec"]["versions"] = [{**version, "name": "v1alpha2"}]
    await client.create(CRDS, definition)
    with pytest.raises(CliError, match=r"CRD mpijobs.kubeflow.org: objects may still be stored as v1alpha2"):
        await migrate._cluster(HERE, [], None)


async def test_jobs_of_a_version_that_is_not_read_are_seen_once_the_crd_is_ours(cluster: Any) -> None:
    client = cluster.session.client
    definition = crd(frameworks()["MPIJob"], KUBEFLOW)
    [theirs] = [version for version in definition["spec"]["versions"] if version["name"] == "v2beta1"]
    definition["spec"]["versions"] = [{**theirs, "storage": True}]
    await client.create(CRDS, definition)
    with pytest.raises(CliError, match=r"CRD mpijobs.kubeflow.org: jobs of v2beta1 are seen once it has v1 too: run"):
        await migrate._cluster(HERE, [], None)


async def test_a_deployment_that_is_not_there(cluster: Any) -> None:
    with pytest.raises(CliError, match="there is no Deployment kubedl/nobody"):
        await migrate._cluster(HERE, [ObjectKey("kubedl", "nobody")], None)


def test_a_wrong_name_of_an_operator_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["migrate", "cluster", "--operator", "manager"]) == 1
    assert "--operator manager: write NAMESPACE/NAME" in capsys.readouterr().err


@pytest.mark.parametrize("content", [None, "", "[]", '{"jobs": [{"kind": "x"}]}'])
async def test_a_file_that_is_no_snapshot(cluster: Any, tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "before.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(CliError, match="give the file that 'kdl migrate cluster --apply' has written"):
        await migrate._verify(path, HERE)
