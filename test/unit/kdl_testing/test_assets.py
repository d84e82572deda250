"""Where binaries come from: the order of the sources, what is said when one fails, and the command."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import CliRunner

from kdl_testing.envtest import assets
from kdl_testing.envtest.assets import Assets, AssetsError, shared, version_of
from kdl_testing.envtest.catalog import BINARIES, Binary, Module, Platform, Release
from kdl_testing.envtest.sources import Order, Report
from kdl_testing.envtest.store import BinaryStore

ONE = Module("one", "1.0.0", "example.com/one", ())
TWO = Module("two", "2.0.0", "example.com/two", ())
CATALOGUE = {
    name: Binary(name, module, f"example.com/{name}", Release("", ""))
    for name, module in (("alpha", ONE), ("beta", ONE), ("gamma", TWO))
}


@dataclass
class FakeSource:
    """Has all but what it has a reason for, and remembers what it was asked for."""

    name: str
    reasons: Mapping[str, str] = field(default_factory=dict)
    asked: list[tuple[str, ...]] = field(default_factory=list)

    def obtain(self, order: Order, report: Report) -> Mapping[str, str]:
        self.asked.append(tuple(binary.name for binary in order.binaries))
        for binary in order.binaries:
            if binary.name not in self.reasons:
                _script(order.staging / binary.name, f"{self.name} {binary.version}")
        return {name: reason for name, reason in self.reasons.items() if name in self.asked[-1]}


def _script(path: Path, says: str, code: int = 0) -> Path:
    path.write_text(f"#!/bin/sh\necho {says}\nexit {code}\n")
    path.chmod(0o755)
    return path


@dataclass
class Bench:
    directory: Path
    given: Path | None = None
    download: FakeSource = field(default_factory=lambda: FakeSource("download"))
    build: FakeSource = field(default_factory=lambda: FakeSource("build"))
    lines: list[str] = field(default_factory=list)

    @property
    def store(self) -> BinaryStore:
        return BinaryStore(self.directory / "binaries", Platform("linux", "amd64"))

    def locate(self, *names: str, fetch: bool = True) -> dict[str, Path]:
        found = Assets(self.given, self.store, (self.download, self.build), CATALOGUE)
        return found.locate(names, report=self.lines.append, fetch=fetch)

    def assets(self) -> Path:
        self.given = self.directory / "assets"
        self.given.mkdir()
        return self.given


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_all_of_the_catalogue_in_its_order(bench: Bench) -> None:
    found = bench.locate()

    assert list(found) == ["alpha", "beta", "gamma"]
    assert {name: path.read_text().split()[2] for name, path in found.items()} == dict.fromkeys(found, "download")


def test_the_names_that_were_asked_for_in_their_order_and_once(bench: Bench) -> None:
    assert list(bench.locate("gamma", "alpha", "gamma")) == ["gamma", "alpha"]


def test_an_unknown_name(bench: Bench) -> None:
    with pytest.raises(AssetsError, match="there is no binary 'delta': the known ones are alpha, beta, gamma"):
        bench.locate("alpha", "delta")


def test_a_second_call_asks_no_source(bench: Bench) -> None:
    first = bench.locate()
    bench.download.asked.clear()
    bench.lines.clear()

    assert bench.locate() == first
    assert (bench.download.asked, bench.build.asked, bench.lines) == ([], [], [])


def test_what_the_first_source_has_not_goes_to_the_second_together(bench: Bench) -> None:
    bench.download.reasons = {"alpha": "no host", "beta": "no host"}

    found = bench.locate()

    assert bench.download.asked == [("alpha", "beta"), ("gamma",)]
    assert bench.build.asked == [("alpha", "beta")]
    assert "build" in found["alpha"].read_text()
    assert bench.lines == ["download: no host"]


def test_the_directory_that_was_named_comes_first(bench: Bench) -> None:
    given = _script(bench.assets() / "alpha", "alpha v1.0.0")

    found = bench.locate("alpha", "gamma")

    assert found["alpha"] == given
    assert bench.download.asked == [("gamma",)]
    assert bench.lines == []


def test_another_version_in_the_directory_is_used_and_reported(bench: Bench) -> None:
    given = _script(bench.assets() / "alpha", "alpha v0.9.1")

    assert bench.locate("alpha") == {"alpha": given}
    assert bench.lines == [f"{given} is 0.9.1, and 1.0.0 is what we test with: it is used all the same"]


def test_a_binary_that_does_not_run_is_passed_over(bench: Bench) -> None:
    given = bench.assets() / "alpha"
    given.write_bytes(b"\x7fELF")

    assert bench.locate("alpha")["alpha"] != given
    assert bench.lines[0].startswith(f"{given} does not run: ")
    assert bench.lines[0].endswith("it is not used")


def test_a_damaged_binary_is_replaced_with_a_word(bench: Bench) -> None:
    path = bench.locate("alpha", "beta")["alpha"]
    path.write_text("half")
    bench.lines.clear()
    bench.download.asked.clear()

    assert bench.locate("alpha", "beta")["alpha"] == path
    assert path.read_text().startswith("#!/bin/sh")
    assert bench.download.asked == [("alpha",)]
    assert bench.lines == [f"{path} has 4 bytes instead of 37: it is replaced"]


def test_without_fetch_nothing_is_asked(bench: Bench) -> None:
    with pytest.raises(AssetsError) as failure:
        bench.locate("alpha", fetch=False)

    assert str(failure.value).splitlines() == [
        "alpha is not to be had:",
        "  KUBEBUILDER_ASSETS: not set",
        f"  the cache, {bench.store.root}: not there",
        "The way out: call 'python -m kdl_testing.envtest.assets', which downloads or builds them once, or set "
        "KUBEBUILDER_ASSETS to a directory that has them.",
    ]
    assert bench.download.asked == bench.build.asked == []


def test_the_message_tells_each_reason_once_and_the_way_out(bench: Bench) -> None:
    bench.assets()
    bench.download.reasons = {"alpha": "no host", "beta": "no host", "gamma": "404"}
    bench.build.reasons = {"alpha": "no Go", "gamma": "no Go"}

    with pytest.raises(AssetsError) as failure:
        bench.locate()

    first, *reasons, way_out = str(failure.value).splitlines()
    assert first == "alpha and gamma are not to be had:"
    assert reasons == [
        f"  KUBEBUILDER_ASSETS: not in {bench.given}",
        "  download of alpha: no host",
        "  download of gamma: 404",
        "  build: no Go",
    ]
    assert way_out.startswith("The way out: set KUBEBUILDER_ASSETS to a directory that has them, or give")


def test_what_could_be_had_stays_in_the_cache(bench: Bench) -> None:
    bench.download.reasons = bench.build.reasons = {"alpha": "no"}
    with pytest.raises(AssetsError):
        bench.locate()

    assert list(bench.locate("beta", "gamma", fetch=False)) == ["beta", "gamma"]


def test_a_cache_that_cannot_be_written(bench: Bench) -> None:
    (bench.directory / "binaries").write_text("a file is in the way")

    with pytest.raises(AssetsError, match=r"the cache: \[Errno \d+\]"):
        bench.locate("alpha")


def test_parts_of_downloads_go_once_all_is_there(bench: Bench) -> None:
    parts = bench.store.directory(ONE) / "parts"
    parts.mkdir(parents=True)
    (parts / "alpha.tar.gz").write_text("half")

    bench.locate("alpha")

    assert not parts.exists()


@pytest.mark.parametrize(
    ("says", "code", "version", "flaw"),
    [
        ("Kubernetes v1.36.3", 0, "1.36.3", ""),
        ("etcd Version: 3.6.8", 0, "3.6.8", ""),
        ("CoreDNS-1.15.0", 0, "1.15.0", ""),
        ("kwok version v0.8.0 go1.26.8", 0, "0.8.0", ""),
        ("hello", 0, "", "does not say its version"),
        ("unknown flag", 2, "", "does not say its version"),
    ],
)
def test_versions(tmp_path: Path, says: str, code: int, version: str, flaw: str) -> None:
    assert version_of(_script(tmp_path / "tool", f"'{says}'", code)) == (version, flaw)


@pytest.mark.parametrize(
    ("reasons", "lines"),
    [
        ({}, []),
        ({"a": "x", "b": "x", "c": "x"}, [": x"]),
        ({"a": "x", "b": "y", "c": "x"}, [" of a and c: x", " of b: y"]),
        ({"z": "not asked for"}, []),
    ],
)
def test_shared_reasons(reasons: Mapping[str, str], lines: list[str]) -> None:
    assert shared(reasons, ["a", "b", "c"]) == lines


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All binaries of the real catalogue, as the environment names them."""
    for name, binary in BINARIES.items():
        _script(tmp_path / name, binary.version)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    monkeypatch.setenv("KDL_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def test_the_command_prints_paths_for_scripts(known: Path) -> None:
    result = CliRunner().invoke(assets.main, ["--print", "path", "kubelet", "etcd"])

    assert (result.exit_code, result.stdout) == (0, f"{known / 'kubelet'}\n{known / 'etcd'}\n")


def test_paths_are_absolute(known: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(known.parent)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", known.name)
    monkeypatch.setenv("KDL_CACHE_HOME", "cache")

    found = assets.machine_assets()

    assert (found.given, found.store.root) == (known, known.parent / "cache" / "binaries")


def test_the_command_prints_a_table_of_all(known: Path) -> None:
    result = CliRunner().invoke(assets.main, [])

    rows = [line.split() for line in result.stdout.splitlines()]
    assert rows == [[name, binary.version, str(known / name)] for name, binary in BINARIES.items()]


def test_the_command_tells_a_failure_on_standard_error(known: Path) -> None:
    (known / "kwok").unlink()

    result = CliRunner().invoke(assets.main, ["--no-fetch", "kwok"])

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: kwok is not to be had:\n")


def test_the_command_knows_its_names() -> None:
    result = CliRunner().invoke(assets.main, ["kubelets"])

    assert result.exit_code == 2
    assert "'kube-apiserver'" in result.stderr
