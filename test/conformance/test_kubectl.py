"""Every kubectl command that people use with jobs, as they type it."""

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from conformance.kubectl import Kubectl

JOB = {
    "apiVersion": "kubeflow.org/v1",
    "kind": "PyTorchJob",
    "metadata": {"name": "mnist"},
    "spec": {
        "pytorchReplicaSpecs": {
            "Master": {
                "replicas": 1,
                "template": {"spec": {"containers": [{"name": "pytorch", "image": "kdl/python", "command": ["true"]}]}},
            },
            "Worker": {
                "replicas": 2,
                "template": {"spec": {"containers": [{"name": "pytorch", "image": "kdl/python", "command": ["true"]}]}},
            },
        }
    },
}


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def pod(name: str, script: str, **spec: Any) -> dict[str, Any]:
    container = {"name": "main", "image": "kdl/python", "command": ["sh", "-c", script]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [container], **spec},
    }


def test_version_reports_a_server(kubectl: Kubectl) -> None:
    versions = kubectl("version", "-o", "json").object
    assert int(versions["serverVersion"]["minor"].rstrip("+")) >= 32


def test_api_resources_lists_built_in_and_custom_kinds(kubectl: Kubectl) -> None:
    rows = {(row.split()[-3], row.split()[-1]) for row in kubectl("api-resources", "--no-headers").lines}
    assert {("v1", "Pod"), ("v1", "ConfigMap"), ("coordination.k8s.io/v1", "Lease")} <= rows
    assert {("kubeflow.org/v1", "PyTorchJob"), ("training.kubedl.io/v1alpha1", "XGBoostJob")} <= rows


def test_api_versions(kubectl: Kubectl) -> None:
    assert {"v1", "kubeflow.org/v1", "training.kubedl.io/v1alpha1"} <= set(kubectl("api-versions").lines)


def test_create_validates_and_answers_with_the_name(kubectl: Kubectl) -> None:
    assert kubectl("create", "-f", "-", stdin=config_map("made", a="1")).out == "configmap/made created\n"
    again = kubectl.try_("create", "-f", "-", stdin=config_map("made", a="1"))
    assert again.code == 1
    assert (
        'Error from server (AlreadyExists): error when creating "STDIN": configmaps "made" already exists' in again.err
    )


def test_create_refuses_an_unknown_field(kubectl: Kubectl) -> None:
    answer = kubectl.try_("create", "-f", "-", stdin=pod("typo", "true", restartPolice="Never"))
    assert answer.code == 1
    assert 'unknown field "spec.restartPolice"' in answer.err


def test_create_dry_run_keeps_nothing(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", "--dry-run=server", stdin=config_map("ghost", a="1"))
    assert "NotFound" in kubectl.try_("get", "configmap", "ghost").err


def test_create_generate_name(kubectl: Kubectl) -> None:
    manifest = config_map("x")
    manifest["metadata"] = {"generateName": "run-"}
    names = {kubectl("create", "-f", "-", "-o", "name", stdin=manifest).out.strip() for _ in range(3)}
    assert len(names) == 3
    assert all(name.startswith("configmap/run-") for name in names)


def test_apply_again_is_unchanged_and_a_change_is_configured(kubectl: Kubectl) -> None:
    assert kubectl("apply", "-f", "-", stdin=config_map("app", a="1", b="2")).out == "configmap/app created\n"
    version = kubectl("get", "cm", "app", "-o", "json").object["metadata"]["resourceVersion"]
    assert kubectl("apply", "-f", "-", stdin=config_map("app", a="1", b="2")).out == "configmap/app unchanged\n"
    assert kubectl("get", "cm", "app", "-o", "json").object["metadata"]["resourceVersion"] == version
    assert kubectl("apply", "-f", "-", stdin=config_map("app", a="3")).out == "configmap/app configured\n"
    assert kubectl("get", "cm", "app", "-o", "json").object["data"] == {"a": "3"}


def test_apply_of_a_job_twice(kubectl: Kubectl) -> None:
    assert "created" in kubectl("apply", "-f", "-", stdin=JOB).out
    assert "unchanged" in kubectl("apply", "-f", "-", stdin=JOB).out
    changed = yaml.safe_load(yaml.safe_dump(JOB))
    changed["spec"]["pytorchReplicaSpecs"]["Worker"]["replicas"] = 3
    assert "configured" in kubectl("apply", "-f", "-", stdin=changed).out
    job = kubectl("get", "pytorchjob.kubeflow.org", "mnist", "-o", "json").object
    assert job["spec"]["pytorchReplicaSpecs"]["Worker"]["replicas"] == 3
    assert job["metadata"]["generation"] == 2


def test_apply_of_a_pod_merges_lists_by_key(kubectl: Kubectl) -> None:
    manifest = pod("merged", "sleep 30", nodeSelector={"kdl.io/none": "here"})
    kubectl("apply", "-f", "-", stdin=manifest)
    manifest["spec"]["containers"][0]["image"] = "kdl/python:2"
    assert "configured" in kubectl("apply", "-f", "-", stdin=manifest).out
    containers = kubectl("get", "pod", "merged", "-o", "json").object["spec"]["containers"]
    assert [(c["name"], c["image"]) for c in containers] == [("main", "kdl/python:2")]


def test_diff_shows_what_apply_would_change(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=config_map("diffed", a="1"))
    answer = kubectl.try_("diff", "-f", "-", stdin=config_map("diffed", a="2"))
    assert answer.code == 1
    assert '+  a: "2"' in answer.out


def test_get_prints_columns_and_age(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=config_map("listed", a="1", b="2"))
    header, row = kubectl("get", "configmap", "listed").lines
    assert header.split() == ["NAME", "DATA", "AGE"]
    assert row.split()[:2] == ["listed", "2"]
    assert row.split()[2].endswith("s")


def test_get_wide_shows_the_node_and_the_address(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=pod("wide", "true", nodeSelector={"kdl.io/none": "here"}))
    header, row = kubectl("get", "pod", "wide", "-o", "wide").lines
    assert header.split()[:7] == ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE"]
    assert row.split()[:4] == ["wide", "0/1", "Pending", "0"]


def test_get_of_a_job_prints_its_columns(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=JOB)
    assert kubectl("get", "pytorchjobs.kubeflow.org").lines[0].split() == ["NAME", "STATE", "AGE"]


@pytest.mark.parametrize(
    "output", ["json", "yaml", "name", "jsonpath={.metadata.name}", "custom-columns=N:.metadata.name"]
)
def test_get_output_formats(kubectl: Kubectl, output: str) -> None:
    kubectl("create", "-f", "-", stdin=config_map("shown", a="1"))
    assert "shown" in kubectl("get", "configmap", "shown", "-o", output).out


def test_get_by_selectors(kubectl: Kubectl) -> None:
    for name in ("one", "two"):
        kubectl("create", "-f", "-", stdin=config_map(name))
        kubectl("label", "configmap", name, f"which={name}")
    chosen = kubectl("get", "cm", "-l", "which in (two, three)", "-o", "name").lines
    assert chosen == ["configmap/two"]
    assert kubectl("get", "cm", "--field-selector", "metadata.name=one", "-o", "name").lines == ["configmap/one"]
    others = kubectl("get", "cm", "-l", "!which", "-o", "name").lines
    # A controller puts the cluster's certificate into every namespace.
    assert [name for name in others if name != "configmap/kube-root-ca.crt"] == []


def test_get_of_nothing_and_of_an_unknown_kind(kubectl: Kubectl) -> None:
    assert "No resources found" in kubectl("get", "pods").err
    assert "the server doesn't have a resource type" in kubectl.try_("get", "unicorns").err
    assert 'Error from server (NotFound): pods "none" not found' in kubectl.try_("get", "pod", "none").err


def test_get_in_chunks_sees_everything(kubectl: Kubectl) -> None:
    for index in range(7):
        kubectl("create", "configmap", f"many-{index}")
    names = kubectl("get", "cm", "--chunk-size=2", "-o", "name").lines
    assert [n for n in names if n.startswith("configmap/many-")] == [f"configmap/many-{i}" for i in range(7)]


@pytest.fixture
def watching(kubectl: Kubectl) -> Iterator[subprocess.Popen[str]]:
    kubectl("create", "configmap", "first")
    process = kubectl.start("get", "configmap", "-w", "--output-watch-events", "--no-headers")
    yield process
    process.terminate()
    process.communicate(timeout=10)


def test_get_watch_prints_changes_as_they_happen(kubectl: Kubectl, watching: subprocess.Popen[str]) -> None:
    assert watching.stdout is not None

    def next_of(name: str) -> str:
        for line in watching.stdout or ():
            if name in line:
                return line.split()[0]
        return "the watch ended"

    assert next_of("first") == "ADDED"
    kubectl("create", "configmap", "second")
    assert next_of("second") == "ADDED"
    kubectl("label", "configmap", "second", "a=b")
    assert next_of("second") == "MODIFIED"
    kubectl("delete", "configmap", "second")
    assert next_of("second") == "DELETED"


@pytest.mark.controllers
def test_describe_shows_an_object_and_its_events(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=pod("told", "true", nodeSelector={"kdl.io/none": "here"}))
    kubectl("wait", "pod/told", "--for=condition=PodScheduled=false", "--timeout=20s")
    out = kubectl("describe", "pod", "told").out
    assert "Node-Selectors:" in out
    assert "FailedScheduling" in out
    assert "PyTorch" in kubectl("describe", "crd", "pytorchjobs.kubeflow.org").out


def test_describe_of_a_job(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=JOB)
    assert "Pytorch Replica Specs" in kubectl("describe", "pytorchjob.kubeflow.org", "mnist").out


@pytest.mark.node
def test_logs_follow_until_the_end(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=pod("talker", "for i in 1 2 3; do echo line $i; sleep 0.3; done"))
    kubectl("wait", "pod/talker", "--for=jsonpath={.status.phase}=Running", "--timeout=30s")
    assert kubectl("logs", "-f", "talker").lines == ["line 1", "line 2", "line 3"]
    assert kubectl("logs", "talker", "--tail=1").lines == ["line 3"]
    assert kubectl("logs", "-l", "app=talker", "--prefix").lines[0] == "[pod/talker/main] line 1"
    assert kubectl.try_("logs", "talker", "-c", "none").code == 1


@pytest.mark.node
def test_wait_for_a_pod_to_end(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=pod("short", "exit 0"))
    kubectl("wait", "pod/short", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=30s")
    row = kubectl("get", "pod", "short").lines[1].split()
    assert row[1:3] == ["0/1", "Completed"]


def test_wait_for_deletion_and_its_timeout(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "leaving")
    waiting = kubectl.start("wait", "configmap/leaving", "--for=delete", "--timeout=30s")
    kubectl("delete", "configmap", "leaving")
    waiting.communicate(timeout=30)
    assert waiting.returncode == 0
    kubectl("create", "configmap", "staying")
    assert kubectl.try_("wait", "configmap/staying", "--for=delete", "--timeout=1s").code == 1


def test_label_and_annotate(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "tagged")
    kubectl("label", "configmap", "tagged", "tier=gold")
    assert kubectl.try_("label", "configmap", "tagged", "tier=tin").code == 1
    kubectl("label", "configmap", "tagged", "tier=tin", "--overwrite")
    kubectl("annotate", "configmap", "tagged", "note=hello world")
    meta = kubectl("get", "configmap", "tagged", "-o", "json").object["metadata"]
    assert (meta["labels"], meta["annotations"]) == ({"tier": "tin"}, {"note": "hello world"})
    kubectl("label", "configmap", "tagged", "tier-")
    assert "labels" not in kubectl("get", "configmap", "tagged", "-o", "json").object["metadata"]


def test_a_bad_label_is_refused_by_name(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "plain")
    patch = '{"metadata":{"labels":{"tier":"not valid"}}}'
    answer = kubectl.try_("patch", "configmap", "plain", "--type=merge", "-p", patch)
    assert answer.code == 1
    assert 'metadata.labels: Invalid value: "not valid"' in answer.err


@pytest.mark.parametrize(
    ("kind", "patch"),
    [
        ("merge", '{"data":{"a":null,"b":"2"}}'),
        ("json", '[{"op":"remove","path":"/data/a"},{"op":"add","path":"/data/b","value":"2"}]'),
        ("strategic", '{"data":{"a":null,"b":"2"}}'),
    ],
)
def test_patch_of_three_types(kubectl: Kubectl, kind: str, patch: str) -> None:
    kubectl("create", "-f", "-", stdin=config_map("patched", a="1"))
    kubectl("patch", "configmap", "patched", f"--type={kind}", "-p", patch)
    assert kubectl("get", "configmap", "patched", "-o", "json").object["data"] == {"b": "2"}


def test_patch_status_leaves_the_spec_alone(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=JOB)
    patch = '{"spec":{"pytorchReplicaSpecs":{"Worker":{"replicas":9}}},"status":{"startTime":"2026-01-01T00:00:00Z"}}'
    kubectl("patch", "pytorchjob.kubeflow.org", "mnist", "--subresource=status", "--type=merge", "-p", patch)
    job = kubectl("get", "pytorchjob.kubeflow.org", "mnist", "-o", "json").object
    assert job["status"]["startTime"] == "2026-01-01T00:00:00Z"
    assert job["spec"]["pytorchReplicaSpecs"]["Worker"]["replicas"] == 2
    assert job["metadata"]["generation"] == 1


def test_replace_with_a_stale_version_is_a_conflict(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=config_map("swapped", a="1"))
    stale = kubectl("get", "configmap", "swapped", "-o", "json").object
    kubectl("replace", "-f", "-", stdin={**stale, "data": {"a": "2"}})
    answer = kubectl.try_("replace", "-f", "-", stdin={**stale, "data": {"a": "3"}})
    assert answer.code == 1
    assert "the object has been modified; please apply your changes to the latest version" in answer.err
    assert kubectl("get", "configmap", "swapped", "-o", "json").object["data"] == {"a": "2"}


def test_replace_force_deletes_and_creates(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=config_map("forced", a="1"))
    before = kubectl("get", "cm", "forced", "-o", "jsonpath={.metadata.uid}").out
    kubectl("replace", "--force", "-f", "-", stdin=config_map("forced", a="2"))
    assert kubectl("get", "cm", "forced", "-o", "jsonpath={.metadata.uid}").out != before


def test_scale_a_job(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=JOB)
    kubectl("scale", "pytorchjob.kubeflow.org", "mnist", "--replicas=5")
    job = kubectl("get", "pytorchjob.kubeflow.org", "mnist", "-o", "json").object
    assert job["spec"]["pytorchReplicaSpecs"]["Worker"]["replicas"] == 5
    assert kubectl.try_("scale", "pytorchjob.kubeflow.org", "mnist", "--current-replicas=1", "--replicas=2").code == 1


def test_delete_waits_by_default(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "gone")
    assert kubectl("delete", "configmap", "gone", "--wait").out.startswith('configmap "gone" deleted')
    assert "NotFound" in kubectl.try_("get", "configmap", "gone").err
    assert kubectl.try_("delete", "configmap", "gone").code == 1
    kubectl("delete", "configmap", "gone", "--ignore-not-found")


def test_delete_by_label_and_all(kubectl: Kubectl) -> None:
    for index in range(3):
        kubectl("create", "configmap", f"c-{index}")
    kubectl("label", "configmap", "c-0", "c-1", "drop=yes")
    kubectl("delete", "configmap", "-l", "drop=yes")
    remaining = kubectl("get", "cm", "-o", "name").lines
    assert "configmap/c-2" in remaining
    assert "configmap/c-0" not in remaining


def owned(owner: dict[str, Any], name: str) -> dict[str, Any]:
    manifest = config_map(name)
    manifest["metadata"]["ownerReferences"] = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]
    return manifest


@pytest.mark.parametrize("cascade", ["foreground", "background"])
@pytest.mark.controllers
def test_delete_takes_the_children_along(kubectl: Kubectl, cascade: str) -> None:
    owner = kubectl("create", "-f", "-", "-o", "json", stdin=config_map("owner")).object
    kubectl("create", "-f", "-", stdin=owned(owner, "child"))
    kubectl("delete", "configmap", "owner", f"--cascade={cascade}", "--wait", "--timeout=20s")
    kubectl("wait", "configmap/child", "--for=delete", "--timeout=20s")
    assert "NotFound" in kubectl.try_("get", "configmap", "child").err


@pytest.mark.controllers
def test_delete_may_leave_the_children(kubectl: Kubectl) -> None:
    owner = kubectl("create", "-f", "-", "-o", "json", stdin=config_map("owner")).object
    kubectl("create", "-f", "-", stdin=owned(owner, "child"))
    kubectl("delete", "configmap", "owner", "--cascade=orphan", "--wait", "--timeout=20s")
    assert "ownerReferences" not in kubectl("get", "configmap", "child", "-o", "json").object["metadata"]


def test_a_finalizer_holds_an_object(kubectl: Kubectl) -> None:
    manifest = config_map("held")
    manifest["metadata"]["finalizers"] = ["example.com/hold"]
    kubectl("create", "-f", "-", stdin=manifest)
    kubectl("delete", "configmap", "held", "--wait=false")
    assert "deletionTimestamp" in kubectl("get", "configmap", "held", "-o", "json").object["metadata"]
    kubectl("patch", "configmap", "held", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    assert "NotFound" in kubectl.try_("get", "configmap", "held").err


@pytest.mark.controllers
def test_deleting_a_namespace_empties_it(kubectl: Kubectl) -> None:
    name = f"{kubectl.namespace}-inner"
    kubectl("create", "namespace", name)
    kubectl("create", "configmap", "-n", name, "inside")
    kubectl("delete", "namespace", name, "--wait", "--timeout=30s")
    assert "NotFound" in kubectl.try_("get", "configmap", "-n", name, "inside").err


@pytest.mark.parametrize(
    ("path", "version", "expected"),
    [
        ("pod.spec.containers", "v1", "imagePullPolicy"),
        ("configmap", "v1", "binaryData"),
        ("pytorchjob.spec", "kubeflow.org/v1", "pytorchReplicaSpecs"),
        ("xgboostjob.spec.xgbReplicaSpecs", "training.kubedl.io/v1alpha1", "restartPolicy"),
    ],
)
def test_explain(kubectl: Kubectl, path: str, version: str, expected: str) -> None:
    assert expected in kubectl("explain", path, f"--api-version={version}").out


def test_a_job_with_an_unknown_field_is_refused(kubectl: Kubectl) -> None:
    manifest = yaml.safe_load(yaml.safe_dump(JOB))
    manifest["spec"]["pytorchReplicaSpecs"]["Worker"]["replica"] = 2
    answer = kubectl.try_("create", "-f", "-", stdin=manifest)
    assert answer.code == 1
    assert 'unknown field "spec.pytorchReplicaSpecs.Worker.replica"' in answer.err


def test_auth_answers(kubectl: Kubectl) -> None:
    assert kubectl("auth", "can-i", "create", "pods").out == "yes\n"
    assert "Username" in kubectl("auth", "whoami").out
