"""What is built, what is taken as it is, and what a build that fails leaves."""

import os
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from imagebuild import archive, tarball
from imagebuild.builder import Builder
from imagebuild.layers import Build, Image, Layer
from imagebuild.store import KEPT, Store


@dataclass
class Workshop:
    """A store, and layers that say when they are made."""

    directory: Path
    made: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def layer(self, name: str, content: str = "1", *below: Layer) -> Layer:
        def recipe(build: Build) -> None:
            self.made.append(name)
            (build.root / name).write_text(content)
            (build.root / f"below-{name}").write_text(" ".join(sorted(path.name for path in build.below.iterdir())))

        return Layer(name, recipe, (content,), below)

    def failing(self, name: str, error: BaseException) -> Layer:
        def recipe(build: Build) -> None:
            (build.root / "half").write_text("half")
            raise error

        return Layer(name, recipe, ())

    def build(self, *images: Image, fresh: bool = False) -> list[Path]:
        return Builder(Store(self.directory), self.said.append, fresh).build(images)


Workshops = Callable[[], Workshop]


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path / "images")


def image(name: str, *layers: Layer) -> Image:
    return Image(f"docker.io/kdl/{name}", "1", layers)


def test_a_second_call_makes_nothing(workshop: Workshop) -> None:
    wanted = image("thing", workshop.layer("low"), workshop.layer("high"))
    [path] = workshop.build(wanted)
    assert path.parent == workshop.directory
    assert path.name.startswith("thing-1-")
    assert archive.whole(path)
    said = len(workshop.said)
    assert workshop.build(wanted) == [path]
    assert workshop.made == ["low", "high"]
    assert len(workshop.said) == said


def test_a_change_makes_only_the_layers_that_it_concerns(workshop: Workshop) -> None:
    low = workshop.layer("low")
    before, after = (image("thing", low, workshop.layer("code", text)) for text in ("old", "new"))
    [old], [new] = workshop.build(before), workshop.build(after)
    assert old != new
    assert workshop.made == ["low", "code", "code"]


def test_images_share_layers(workshop: Workshop) -> None:
    low = workshop.layer("low")
    workshop.build(image("one", low), image("two", low, workshop.layer("high")))
    assert workshop.made == ["low", "high"]


def test_a_recipe_sees_the_layers_below_and_their_change_is_its_own(workshop: Workshop) -> None:
    for content in ("1", "2"):
        low = workshop.layer("low", content)
        workshop.build(image("thing", workshop.layer("high", "1", low)))
    assert workshop.made == ["low", "high", "low", "high"]
    first, *_ = (workshop.directory / "layers").glob("high-*.tar")
    with tarfile.open(first) as file:
        seen = file.extractfile("below-high")
        assert seen is not None
        assert seen.read() == b"below-low low"


@pytest.mark.parametrize("error", [RuntimeError("no"), KeyboardInterrupt()], ids=["error", "interrupt"])
def test_a_build_that_fails_leaves_what_was_done_and_nothing_half(workshop: Workshop, error: BaseException) -> None:
    low = workshop.layer("low")
    with pytest.raises(type(error)):
        workshop.build(image("thing", low, workshop.failing("high", error)))
    left = sorted(path.name.partition("-")[0] for path in workshop.directory.rglob("*") if path.is_file())
    assert left == ["lock", "low", "low"]
    workshop.build(image("thing", low, workshop.layer("high")))
    assert workshop.made == ["low", "high"]


def test_what_a_killed_build_left_is_removed(workshop: Workshop) -> None:
    left = Store(workshop.directory).workspace("root") / "half"
    left.write_text("half")
    workshop.build(image("thing", workshop.layer("low")))
    assert not (workshop.directory / "building").exists()


@pytest.mark.parametrize("pattern", ["thing-1-*.tar", "layers/low-*.tar", "layers/low-*.json"])
def test_what_was_damaged_is_made_again(workshop: Workshop, pattern: str) -> None:
    wanted = image("thing", workshop.layer("low"))
    [path] = workshop.build(wanted)
    whole = path.read_bytes()
    [damaged] = workshop.directory.glob(pattern)
    os.truncate(damaged, damaged.stat().st_size // 2)
    # The layer is only looked at where the archive has to be made.
    path.unlink(missing_ok=True)
    assert workshop.build(wanted) == [path]
    assert path.read_bytes() == whole


def test_fresh_makes_everything_again(workshop: Workshop) -> None:
    wanted = image("thing", workshop.layer("low"))
    assert workshop.build(wanted) == workshop.build(wanted, fresh=True)
    assert workshop.made == ["low", "low"]


def test_old_generations_go(workshop: Workshop) -> None:
    low = workshop.layer("low")
    paths = []
    for number in range(KEPT + 2):
        for file in workshop.directory.rglob("*.tar"):
            earlier = file.stat().st_mtime - 100
            os.utime(file, (earlier, earlier))
        paths += workshop.build(image("thing", low, workshop.layer("code", str(number))))
    assert [path.exists() for path in paths] == [*[False] * 2, *[True] * KEPT]
    for pattern, expected in (("thing-*", KEPT), ("layers/code-*.tar", KEPT), ("layers/low-*.tar", 1)):
        assert len(list(workshop.directory.glob(pattern))) == expected, pattern


def test_the_key_is_of_everything_that_decides(workshop: Workshop) -> None:
    layer = workshop.layer("low")
    keys = {
        layer.key,
        replace(layer, name="other").key,
        replace(layer, inputs=("2",)).key,
        replace(layer, inputs=("1", "")).key,
        replace(layer, below=(workshop.layer("base"),)).key,
        replace(layer, modules=(tarball,)).key,
    }
    assert len(keys) == 6
    assert workshop.layer("low").key == layer.key
    assert image("a", layer).key != image("b", layer).key
