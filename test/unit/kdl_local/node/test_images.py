import sys
from pathlib import Path

import pytest

from kdl_local.node.images import Images, repository


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("kdl/python", "kdl/python"),
        ("kdl/python:3.11", "kdl/python"),
        ("docker.io/kdl/python:1", "kdl/python"),
        ("localhost:5000/kdl/python:1@sha256:abc", "kdl/python"),
        ("busybox", "busybox"),
        ("registry.example.com/team/train:v2", "team/train"),
    ],
)
def test_names_without_host_and_tag(image: str, expected: str) -> None:
    assert repository(image) == expected


def test_the_python_image_finds_this_python_first(tmp_path: Path) -> None:
    images = Images(tmp_path, {"PATH": "/usr/bin:/bin", "HOME": "/home/me", "SECRET": "x"})
    own = str(Path(sys.executable).parent)
    found = images.environment("kdl/python:1")
    assert found["PATH"].split(":")[-2:] == ["/usr/bin", "/bin"]
    assert own in found["PATH"].split(":")[:2]
    assert (found["HOME"], "SECRET" in found) == ("/home/me", False)


def test_any_other_image_is_the_host(tmp_path: Path) -> None:
    assert Images(tmp_path, {"PATH": "/usr/bin"}).environment("busybox") == {"PATH": "/usr/bin"}


def test_python_is_there_under_both_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lonely = tmp_path / "bin" / "python3.11"
    lonely.parent.mkdir()
    lonely.touch()
    monkeypatch.setattr(sys, "executable", str(lonely))
    path = Images(tmp_path / "programs", {"PATH": "/bin"}).environment("kdl/python")["PATH"].split(":")
    assert f'exec "{lonely}" "$@"' in (Path(path[0]) / "python").read_text()
    assert (Path(path[0]) / "python3").stat().st_mode & 0o111
