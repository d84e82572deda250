"""The command ``hack/images``."""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click

from debian import PackageError
from imagebuild.builder import Builder
from imagebuild.catalog import DEFAULT, images
from imagebuild.code import SourcesChangedError
from imagebuild.layers import BuildError
from imagebuild.store import Store
from kdl_testing.envtest.cache import cache_home


def build(names: Sequence[str], *, fresh: bool = False) -> list[Path]:
    """The archives of these images, made where they are not there yet. BuildError, PackageError."""
    started = time.monotonic()

    def report(text: str) -> None:
        click.echo(f"{time.monotonic() - started:6.1f}s  {text}", err=True)

    store = Store(cache_home() / "images")
    made: list[Path] = []
    while not made:
        known = images()
        if unknown := [name for name in names if name not in known]:
            raise BuildError(f"there is no image {', '.join(unknown)}: there are {', '.join(known)}")
        try:
            made = Builder(store, report, fresh=fresh).build([known[name] for name in names])
        except SourcesChangedError as changed:
            report(str(changed))
            fresh = False
    return made


@click.group()
def main() -> None:
    """Container images without Docker and without a registry. Packages come from Debian and from pip's index."""


@main.command("build")
@click.option("--fresh", is_flag=True, help="Make them anew, with the newest packages.")
@click.argument("names", nargs=-1)
def build_command(names: Sequence[str], fresh: bool) -> None:
    """Print the archives of the images NAMES (default: all but the biggest), which are made if need be.

    The archives are what `docker load`, `kind load image-archive` and `ctr images import` read.
    """
    # What is made must not depend on the mask of who makes it.
    os.umask(0o022)
    try:
        for path in build(names or DEFAULT, fresh=fresh):
            click.echo(path)
    except (BuildError, PackageError) as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)


@main.command("list")
def list_command() -> None:
    """Print the names of the images, and what they are called in a pod."""
    for image in images().values():
        click.echo(f"{image.name}\t{image.reference}\t{image.settings.labels['org.opencontainers.image.description']}")


if __name__ == "__main__":
    main()
