"""What hack/kind tells kind."""

from pathlib import Path

import pytest

from kdl_runtime.codec import yaml
from realcluster import kind
from realcluster.errors import ClusterError
from realcluster.kind import KindCluster

CLUSTER = KindCluster(Path("/state/kind/x"))


@pytest.mark.parametrize(
    ("nodes", "roles"),
    [
        (1, ["control-plane"]),
        (2, ["control-plane", "worker", "worker"]),
        (3, ["control-plane", "worker", "worker", "worker"]),
    ],
)
def test_there_are_as_many_nodes_for_pods_as_asked_for(nodes: int, roles: list[str]) -> None:
    config = yaml.decode(kind.configuration(nodes))
    assert config["apiVersion"] == "kind.x-k8s.io/v1alpha4"
    assert [node["role"] for node in config["nodes"]] == roles
    assert len(kind.node_names(CLUSTER, nodes)) == len(roles)


def test_nodes_are_named_as_kind_names_them() -> None:
    name = CLUSTER.kind_name
    assert kind.node_names(CLUSTER, 3) == [
        f"{name}-control-plane",
        f"{name}-worker",
        f"{name}-worker2",
        f"{name}-worker3",
    ]


def test_the_users_own_kubeconfig_stays_as_it_is() -> None:
    for argv in (kind.create(CLUSTER, ""), kind.delete(CLUSTER)):
        assert "--kubeconfig=/state/kind/x/kubeconfig" in argv
        assert f"--name={CLUSTER.kind_name}" in argv


@pytest.mark.parametrize(("image", "flags"), [("", []), ("kindest/node:v1.36.1", ["--image=kindest/node:v1.36.1"])])
def test_an_image_is_passed_on_if_there_is_one(image: str, flags: list[str]) -> None:
    assert [flag for flag in kind.create(CLUSTER, image) if flag.startswith("--image")] == flags


def test_archives_are_loaded_into_this_cluster() -> None:
    assert kind.load(CLUSTER, [Path("/a.tar"), Path("/b.tar")]) == [
        *("kind", "load", "image-archive", f"--name={CLUSTER.kind_name}"),
        *("/a.tar", "/b.tar"),
    ]


def test_kwok_plays_nodes_of_this_cluster() -> None:
    argv = kind.kwok(Path("/bin/kwok"), CLUSTER, Path("/c.yaml"))
    assert argv[:3] == ["/bin/kwok", "--kubeconfig=/state/kind/x/kubeconfig", "--config=/c.yaml"]


def test_names_tell_homes_apart_and_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert KindCluster(Path("/other/kind/x")).kind_name != CLUSTER.kind_name
    with pytest.raises(ClusterError, match="is no name for a cluster"):
        kind.of_cluster("../x")


def test_without_kind_and_docker_both_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert [item.what for item in kind.missing()] == [
        "the program kind is not in PATH",
        "the program docker is not in PATH",
    ]


def test_a_docker_that_does_not_answer_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("kind", "docker"):
        (tmp_path / name).write_text("#!/bin/sh\necho 'permission denied' >&2\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    [missing] = kind.missing()
    assert missing.what == "Docker does not answer: permission denied"
