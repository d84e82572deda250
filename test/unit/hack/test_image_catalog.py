"""Which images there are, and what makes them new."""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from imagebuild import code, wheels
from imagebuild.catalog import CHECKOUT, DEFAULT, images, install_requires
from imagebuild.code import SourcesChangedError
from imagebuild.interpreter import Interpreter
from imagebuild.layers import Build, BuildError
from imagebuild.wheels import Wheels

CODE = "code"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name, content in (
        ("setup.cfg", "[options]\ninstall_requires =\n    a>=1\n    b\n"),
        ("pyproject.toml", ""),
        ("README.md", "read"),
        ("LICENSE", "free"),
        ("src/kdl_thing/__init__.py", ""),
        ("src/kdl_thing/data.json", "{}"),
        ("test/test_thing.py", ""),
    ):
        path = tmp_path / "checkout" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return tmp_path / "checkout"


def changed(before: Path, change: str) -> set[str]:
    """The images that are new after a file of a checkout was written."""
    keys = {name: image.key for name, image in images(before).items()}
    path = before / change
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("# changed\n[options]\ninstall_requires =\n    a>=2\n")
    return {name for name, image in images(before).items() if image.key != keys[name]}


def test_names() -> None:
    assert {name: image.reference for name, image in images(CHECKOUT).items()} == {
        "pause": "docker.io/kdl/pause:1",
        "busybox": "docker.io/kdl/busybox:1",
        "operator": "docker.io/kdl/operator:dev",
        "python": "docker.io/kdl/python:1",
        "mpi": "docker.io/kdl/mpi:1",
        "pytorch": "docker.io/kdl/pytorch:1",
        "tensorflow": "docker.io/kdl/tensorflow:1",
        "paddle": "docker.io/kdl/paddle:1",
        "mxnet": "docker.io/kdl/mxnet:1",
    }
    assert set(DEFAULT) < images(CHECKOUT).keys()


def test_our_code_is_the_last_layer_so_that_a_change_makes_little_new(checkout: Path) -> None:
    for image in images(checkout).values():
        assert CODE not in [layer.name for layer in image.layers[:-1]]
    operator, python = (images(checkout)[name].layers for name in ("operator", "python"))
    assert operator[-1].key == python[-1].key
    before = [layer.key for layer in python]
    (checkout / "src/kdl_thing/new.py").write_text("")
    after = [layer.key for layer in images(checkout)["python"].layers]
    assert [one == two for one, two in zip(before, after, strict=True)] == [*[True] * (len(python) - 1), False]


@pytest.mark.parametrize(
    ("change", "concerned"),
    [
        ("src/kdl_thing/__init__.py", {"operator", "python"}),
        ("setup.cfg", {"operator", "python"}),
        ("src/kdl_thing/__pycache__/x.pyc", set()),
        ("src/kdl.egg-info/PKG-INFO", set()),
        ("test/test_thing.py", set()),
    ],
)
def test_what_a_change_concerns(checkout: Path, change: str, concerned: set[str]) -> None:
    assert changed(checkout, change) == concerned


def test_requirements_are_those_of_the_package(checkout: Path) -> None:
    with (checkout / "setup.cfg").open("a") as file:
        file.write("[options.extras_require]\nother =\n    d\n")
    assert install_requires(checkout) == ("a>=1", "b")


class FakeInterpreter(Interpreter):
    """Does not run, and keeps what it was asked."""

    asked: ClassVar[list[list[str]]] = []
    packages = "packages"

    def run(self, arguments: Sequence[str | Path], *, path: Sequence[Path] = (), directory: Path | None = None) -> None:
        self.asked.append(list(map(str, arguments)))
        if "build_wheel" in str(arguments[-1]):
            assert directory is not None
            with zipfile.ZipFile(directory.parent / "kdl-1-py3-none-any.whl", "w") as wheel:
                for file in sorted((directory / "src").rglob("*")):
                    wheel.write(file, file.relative_to(directory / "src").as_posix())
                wheel.writestr("kdl-1.dist-info/METADATA", "Name: kdl\nVersion: 1\n")


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Build:
    monkeypatch.setattr(code, "Interpreter", FakeInterpreter)
    monkeypatch.setattr(wheels, "Interpreter", FakeInterpreter)
    monkeypatch.setattr(FakeInterpreter, "asked", [])
    found = Build(tmp_path / "root", tmp_path / "below", tmp_path / "scratch", lambda _text: None)
    for directory in (found.root, found.below, found.scratch):
        directory.mkdir()
    return found


def test_our_code_comes_by_its_wheel_with_its_program(checkout: Path, build: Build) -> None:
    code.own(checkout, code.sources_digest(checkout))(build)
    files = [path.relative_to(build.root).as_posix() for path in sorted(build.root.rglob("*")) if path.is_file()]
    assert files == [
        "packages/kdl-1.dist-info/METADATA",
        "packages/kdl_thing/__init__.py",
        "packages/kdl_thing/data.json",
        "usr/local/bin/kdl",
    ]
    assert (build.root / "usr/local/bin/kdl").stat().st_mode & 0o111 == 0o111


def test_code_that_changes_meanwhile_is_noticed(checkout: Path, build: Build) -> None:
    digest = code.sources_digest(checkout)
    (checkout / "src/kdl_thing/__init__.py").write_text("changed = True\n")
    with pytest.raises(SourcesChangedError, match="was changed while its image was made"):
        code.own(checkout, digest)(build)


def distribution(directory: Path, name: str, version: str) -> Path:
    info = directory / f"{name}-{version}.dist-info"
    (directory / name).mkdir(parents=True)
    (directory / name / "__init__.py").write_text("")
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "RECORD").write_text(f"{name}/__init__.py,,\n{info.name}/METADATA,,\n{info.name}/RECORD,,\n")
    return directory / name


def test_wheels_agree_with_the_layers_below_and_leave_theirs_alone(build: Build) -> None:
    distribution(build.below / "packages", "shared", "1.5")
    target = build.root / "packages"
    shared, own = distribution(target, "shared", "1.5"), distribution(target, "own", "2.0")
    for name in ("bin", "own/tests", "own/schemas/v1", "own/schemas/v2"):
        (target / name).mkdir(parents=True)
    wanted = Wheels(("own>=2",), imports=("own.core",), drop=("**/tests", "own/schemas/*"), keep=("own/schemas/v2",))
    wanted.recipe(build)
    assert (build.scratch / "constraints.txt").read_text() == "shared==1.5\n"
    assert not (shared / "__init__.py").exists()
    assert (own / "__init__.py").exists()
    left = [path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_dir()]
    assert sorted(left) == [
        "own",
        "own-2.0.dist-info",
        "own/schemas",
        "own/schemas/v2",
        "shared",
        "shared-1.5.dist-info",
    ]
    pip, imported, compiled = FakeInterpreter.asked
    assert pip[:3] == ["-m", "pip", "install"]
    assert pip[-1] == "own>=2"
    assert {"--only-binary", ":all:", "--no-compile", "--target"} <= set(pip)
    assert imported == ["-c", "import own.core"]
    assert compiled[:2] == ["-m", "compileall"]


def test_an_image_without_python_is_told(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"the image has 0 files that are called /usr/bin/python3"):
        _ = Interpreter(tmp_path).packages


def test_what_the_images_python_says_is_told(tmp_path: Path) -> None:
    for name in ("usr/lib/x86_64-linux-gnu/libc.so", "usr/bin/python3.11"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    loader = tmp_path / "usr/lib64/ld-linux-x86-64.so.2"
    loader.parent.mkdir()
    loader.write_text("#!/bin/sh\necho no package called own >&2\nexit 1\n")
    loader.chmod(0o755)
    with pytest.raises(BuildError, match="python -m pip failed in the image: no package called own"):
        Interpreter(tmp_path).run(["-m", "pip"])
