"""Debian packages in the cache, with a stand-in for apt-get."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import debian

APT = """#!/bin/sh
echo "$*" >>"$CALLS"
case "$*" in
*broken*) echo "W: never mind" >&2; echo "E: Unable to locate package broken" >&2; exit 100;;
*print-uris*) echo "Reading..."; for name in $PACKAGES; do echo "'http://x/$name' $name 3 SHA256:0"; done;;
*download*) [ -n "$LAZY" ] || for name in $PACKAGES; do echo new >"$CACHE/packages/$name"; done;;
esac
"""


class Apt:
    """What was called, and what it is to offer."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cache = directory / "cache"
        self._calls = directory / "calls"
        self._monkeypatch = monkeypatch
        (directory / "bin").mkdir()
        (directory / "bin" / "apt-get").write_text(APT)
        (directory / "bin" / "apt-get").chmod(0o755)
        monkeypatch.setenv("PATH", f"{directory / 'bin'}:{os.environ['PATH']}")
        monkeypatch.setenv("KDL_CACHE_HOME", str(self.cache))
        monkeypatch.setenv("CACHE", str(self.cache))
        monkeypatch.setenv("CALLS", str(self._calls))
        self.offer("a_1.deb", "b_1.deb")

    def offer(self, *names: str, lazy: bool = False) -> None:
        self._monkeypatch.setenv("PACKAGES", " ".join(names))
        self._monkeypatch.setenv("LAZY", "yes" if lazy else "")

    @property
    def calls(self) -> list[str]:
        lines = self._calls.read_text().splitlines() if self._calls.exists() else []
        return [line.split(" -q -y ")[-1] for line in lines]

    def forget(self) -> None:
        self._calls.unlink(missing_ok=True)


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Apt]:
    yield Apt(tmp_path, monkeypatch)


def fetch(*packages: str, closure: bool = False) -> list[str]:
    return [path.name for path in debian.fetch(packages, closure=closure, report=print)]


def test_packages_are_fetched_once(apt: Apt) -> None:
    assert fetch("a", "b") == ["a_1.deb", "b_1.deb"]
    assert apt.calls[0] == "update"
    apt.forget()
    assert fetch("b", "a", "a") == ["a_1.deb", "b_1.deb"]
    assert apt.calls == []


def test_the_lists_are_read_once_for_all_sets(apt: Apt) -> None:
    fetch("a", "b")
    fetch("a", "b", closure=True)
    assert apt.calls.count("update") == 1


def test_dependencies_are_asked_for_without_what_is_only_recommended(apt: Apt) -> None:
    fetch("a", closure=True)
    assert any("install --no-install-recommends a" in call for call in apt.calls)
    apt.forget()
    fetch("a")
    assert all("install" not in call for call in apt.calls)


@pytest.mark.parametrize("content", [b"", b"NEW\n", b"new\nand more"])
def test_a_file_that_has_changed_is_fetched_again(apt: Apt, content: bytes) -> None:
    fetch("a", "b")
    damaged = apt.cache / "packages" / "a_1.deb"
    damaged.write_bytes(content)
    fetch("a", "b")
    assert damaged.read_text() == "new\n"


def test_a_file_with_another_time_and_the_same_content_is_kept(apt: Apt) -> None:
    fetch("a", "b")
    os.utime(apt.cache / "packages" / "a_1.deb", (0, 0))
    apt.forget()
    fetch("a", "b")
    assert apt.calls == []


def age(apt: Apt) -> None:
    """A week and more goes by."""
    for path in (*(apt.cache / "packages" / "sets").iterdir(), apt.cache / "packages" / "apt" / "updated"):
        os.utime(path, (0, 0))


def test_newer_packages_are_asked_for_in_time(apt: Apt) -> None:
    fetch("a", "b")
    age(apt)
    apt.offer("a_2.deb", "b_1.deb")
    assert fetch("a", "b") == ["a_2.deb", "b_1.deb"]


def test_old_packages_are_used_when_newer_ones_cannot_be_had(
    apt: Apt, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch("a", "b")
    age(apt)
    monkeypatch.setenv("PATH", str(apt.cache))
    assert fetch("a", "b") == ["a_1.deb", "b_1.deb"]
    assert "using the packages of an earlier call" in capsys.readouterr().out


def test_a_package_that_is_not_there_is_named_with_what_apt_says(apt: Apt) -> None:
    with pytest.raises(debian.PackageError, match=r"cannot get broken: Unable to locate package broken\. Way out: "):
        fetch("broken")


def test_a_package_that_does_not_arrive_is_named(apt: Apt) -> None:
    apt.offer("a_1.deb", lazy=True)
    with pytest.raises(debian.PackageError, match=r"did not leave a_1\.deb"):
        fetch("a")


def test_without_apt_the_way_out_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("KDL_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(debian.PackageError, match=r"a, b: apt-get is not in PATH\. Way out: a machine with Debian"):
        fetch("b", "a")
    with pytest.raises(debian.PackageError, match=r"dpkg-deb.*is not in PATH"):
        debian.extract([], tmp_path / "root")


def test_a_file_that_is_no_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "dpkg-deb").write_text("#!/bin/sh\necho 'not an archive' >&2\nexit 2\n")
    (tmp_path / "bin" / "dpkg-deb").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    with pytest.raises(debian.PackageError, match=r"x\.deb cannot be unpacked to .*root: not an archive\. Way out"):
        debian.extract([tmp_path / "x.deb"], tmp_path / "root")
