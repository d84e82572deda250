"""Building: each layer at most once, each archive from its layers, and nothing that is there already."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from imagebuild import archive, tarball
from imagebuild.archive import Tarball
from imagebuild.layers import Build, Image, Layer, Report, unpack
from imagebuild.store import Store

MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Builder:
    """Makes images in a store. ``report`` gets a line for each thing that is made, with its time and size."""

    store: Store
    report: Report
    fresh: bool = False
    """Make every layer anew, with the newest packages that its recipe allows."""
    _made: dict[str, Tarball] = field(default_factory=dict)

    def build(self, images: Sequence[Image]) -> list[Path]:
        """The archives of the images, in their order."""
        if not self.fresh and (found := self._all_there(images)):
            return found
        with self.store.locked():
            paths = [self._image(image) for image in images]
            self.store.prune()
        return paths

    def _all_there(self, images: Sequence[Image]) -> list[Path]:
        """Without the lock: what has its final name is whole."""
        found = [self.store.archive(_file_name(image), image.key) for image in images]
        return [path for path in found if path is not None] if all(found) else []

    def _image(self, image: Image) -> Path:
        if not self.fresh and (found := self.store.archive(_file_name(image), image.key)):
            return found
        layers = [self._layer(layer) for layer in image.layers]
        started = time.monotonic()
        path = self.store.save_archive(
            _file_name(image),
            image.key,
            lambda draft: archive.write(draft, image.reference, layers, image.settings),
        )
        self._say(f"image {image.reference}", started, path)
        return path

    def _layer(self, layer: Layer) -> Tarball:
        if layer.key not in self._made:
            found = None if self.fresh else self.store.layer(layer.name, layer.key)
            self._made[layer.key] = found or self._make(layer)
        return self._made[layer.key]

    def _make(self, layer: Layer) -> Tarball:
        lower = [self._layer(item) for item in layer.below]
        started = time.monotonic()
        self.report(f"layer {layer.name}")
        below = self.store.workspace(f"{layer.name}-below")
        for item in lower:
            unpack(item.path, below)
        root = self.store.workspace(f"{layer.name}-root")
        scratch = self.store.workspace(f"{layer.name}-scratch")
        layer.recipe(Build(root, below, scratch, lambda text: self.report(f"  {text}")))
        made = self.store.save_layer(layer.name, layer.key, lambda draft: tarball.pack(root, draft))
        self._say(f"layer {layer.name}", started, made.path)
        return made

    def _say(self, what: str, started: float, path: Path) -> None:
        size = path.stat().st_size / MEGABYTE
        self.report(f"{what}: {time.monotonic() - started:.1f} s, {size:.1f} MiB")


def _file_name(image: Image) -> str:
    return f"{image.name}-{image.tag}"
