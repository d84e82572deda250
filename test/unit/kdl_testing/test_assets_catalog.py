"""The catalogue of binaries: versions are those of go.mod, and releases have the names that their projects give."""

import re

import pytest

from kdl_testing.envtest.catalog import BINARIES, GO_VERSION, MODULES, Binary, Module, Platform, this_platform
from kdl_testing.envtest.toolchain import parse_version, required_version

AMD64 = Platform("linux", "amd64")
_ALL_MODULES = sorted({binary.module for binary in BINARIES.values()}, key=lambda module: module.name)


@pytest.mark.parametrize("module", _ALL_MODULES, ids=lambda module: module.name)
def test_go_mod_requires_the_version_of_the_catalogue(module: Module) -> None:
    go_mod = (module.directory / "go.mod").read_text()

    assert re.findall(rf"{re.escape(module.requires)} (v\S+)", go_mod) == [f"v{module.version}"]
    assert (module.directory / "go.sum").exists()


def test_the_parts_of_kubernetes_are_of_its_version() -> None:
    kubernetes = BINARIES["kubelet"].module
    minor_and_patch = kubernetes.version.partition(".")[2]

    replaced = re.findall(
        r"^replace (\S+) => (\S+) (\S+)$", (kubernetes.directory / "go.mod").read_text(), re.MULTILINE
    )

    assert len(replaced) > 30
    assert {(old == new, version) for old, new, version in replaced} == {(True, f"v0.{minor_and_patch}")}


@pytest.mark.parametrize("binary", BINARIES.values(), ids=lambda binary: binary.name)
def test_go_mod_has_the_package_of_a_binary(binary: Binary) -> None:
    if binary.package == ".":
        assert (binary.module.directory / "main.go").exists()
    else:
        tools = re.findall(r"^(?:tool )?\s*(\S+/\S+)$", (binary.module.directory / "go.mod").read_text(), re.MULTILINE)
        assert binary.package in tools


def test_no_module_is_without_a_binary() -> None:
    assert {path.name for path in MODULES.iterdir() if path.is_dir()} == {module.name for module in _ALL_MODULES}


@pytest.mark.parametrize("module", _ALL_MODULES, ids=lambda module: module.name)
def test_the_go_of_the_catalogue_builds_every_module(module: Module) -> None:
    required = required_version((module.directory / "go.mod").read_text())

    assert required
    assert parse_version(GO_VERSION) >= required


@pytest.mark.parametrize(
    ("name", "url", "checksum_url", "member"),
    [
        (
            "kubelet",
            "https://dl.k8s.io/release/v{0}/bin/linux/amd64/kubelet",
            "https://dl.k8s.io/release/v{0}/bin/linux/amd64/kubelet.sha256",
            "",
        ),
        (
            "etcd",
            "https://github.com/etcd-io/etcd/releases/download/v{0}/etcd-v{0}-linux-amd64.tar.gz",
            "https://github.com/etcd-io/etcd/releases/download/v{0}/SHA256SUMS",
            "etcd-v{0}-linux-amd64/etcd",
        ),
        (
            "kwok",
            "https://github.com/kubernetes-sigs/kwok/releases/download/v{0}/kwok-linux-amd64",
            "https://api.github.com/repos/kubernetes-sigs/kwok/releases/tags/v{0}",
            "",
        ),
        (
            "coredns",
            "https://github.com/coredns/coredns/releases/download/v{0}/coredns_{0}_linux_amd64.tgz",
            "https://github.com/coredns/coredns/releases/download/v{0}/coredns_{0}_linux_amd64.tgz.sha256",
            "coredns",
        ),
    ],
)
def test_releases(name: str, url: str, checksum_url: str, member: str) -> None:
    binary = BINARIES[name]

    release = binary.released(AMD64)

    filled = [text.format(binary.version) for text in (url, checksum_url, member)]
    assert [release.url, release.checksum_url, release.member] == filled


@pytest.mark.parametrize(
    ("system", "machine", "platform"),
    [
        ("Linux", "x86_64", "linux-amd64"),
        ("Linux", "aarch64", "linux-arm64"),
        ("Darwin", "arm64", "darwin-arm64"),
        ("Linux", "riscv64", "linux-riscv64"),
    ],
)
def test_platforms_in_the_words_of_go(
    monkeypatch: pytest.MonkeyPatch, system: str, machine: str, platform: str
) -> None:
    monkeypatch.setattr("platform.system", lambda: system)
    monkeypatch.setattr("platform.machine", lambda: machine)

    assert str(this_platform()) == platform


def test_kubernetes_is_told_its_version_by_the_linker() -> None:
    module = BINARIES["kube-apiserver"].module

    variables = dict(module.variables)

    assert variables["k8s.io/component-base/version.gitVersion"] == f"v{module.version}"
    assert variables["k8s.io/component-base/version.gitMinor"] == module.version.split(".")[1]
