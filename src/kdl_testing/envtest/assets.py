"""The binaries of a real control plane, found, downloaded or built.

A test needs two lines::

    from kdl_testing.envtest.assets import locate
    binaries = locate(["etcd", "kube-apiserver"], report=print)

and a shell script one::

    apiserver=$(python -m kdl_testing.envtest.assets --print path kube-apiserver)

Each binary is taken from the first of: the directory that ``KUBEBUILDER_ASSETS`` names; the cache
(``KDL_CACHE_HOME``/binaries, by default ~/.cache/kdl/binaries); its project's release, checked against the published
checksum; a build from Go modules. ``kdl_testing.envtest.catalog`` names the versions.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

from kdl_runtime.errors import KdlError
from kdl_testing.envtest.cache import cache_home
from kdl_testing.envtest.catalog import BINARIES, Binary, Module, Platform, this_platform
from kdl_testing.envtest.download import Download
from kdl_testing.envtest.gobuild import GoBuild
from kdl_testing.envtest.sources import Report, Source
from kdl_testing.envtest.store import BinaryStore, damaged
from kdl_testing.envtest.toolchain import machine_toolchain

ASSETS_VARIABLE = "KUBEBUILDER_ASSETS"
COMMAND = "python -m kdl_testing.envtest.assets"

_VERSION_SECONDS = 20
_VERSION = re.compile(r"\d+\.\d+\.\d+")


class AssetsError(KdlError):
    """Binaries are not to be had. The message says for each source what failed and why, and the way out."""


def locate(names: Sequence[str] = (), *, report: Report, fetch: bool = True) -> dict[str, Path]:
    """The path of each of these binaries (none: all that the catalogue has), in that order.

    ``report`` gets lines for people who wait: a build takes up to twenty minutes. Without ``fetch`` nothing is
    downloaded or built. AssetsError if one is not to be had, and for a name that the catalogue does not have.
    """
    return machine_assets().locate(names, report=report, fetch=fetch)


@dataclass(frozen=True, slots=True)
class Assets:
    """``given`` is the directory that the user has named; ``sources`` are asked in this order for what is in neither
    ``given`` nor the store."""

    given: Path | None
    store: BinaryStore
    sources: Sequence[Source]
    catalogue: Mapping[str, Binary] = field(default_factory=lambda: BINARIES)

    def locate(self, names: Sequence[str], *, report: Report, fetch: bool) -> dict[str, Path]:
        unknown = [name for name in names if name not in self.catalogue]
        if unknown:
            raise AssetsError(f"there is no binary {unknown[0]!r}: the known ones are {', '.join(self.catalogue)}")
        wanted = [self.catalogue[name] for name in dict.fromkeys(names or self.catalogue)]
        failures = Failures()
        found = self._given(wanted, report, failures)
        stored, missing = self.store.find([binary for binary in wanted if binary.name not in found])
        found |= stored
        if missing and fetch:
            for module in dict.fromkeys(self.catalogue[name].module for name in missing):
                binaries = [self.catalogue[name] for name in missing if self.catalogue[name].module == module]
                found |= self._fetch(module, binaries, report, failures)
        elif missing:
            failures.add(f"the cache, {self.store.root}", missing)
        lost = [binary.name for binary in wanted if binary.name not in found]
        if lost:
            raise AssetsError(failures.message(lost, fetch))
        return {binary.name: found[binary.name] for binary in wanted}

    def _given(self, wanted: Sequence[Binary], report: Report, failures: "Failures") -> dict[str, Path]:
        if self.given is None:
            failures.add(ASSETS_VARIABLE, {binary.name: "not set" for binary in wanted})
            return {}
        found = {}
        for binary in wanted:
            path = self.given / binary.name
            if not path.exists():
                failures.add(ASSETS_VARIABLE, {binary.name: f"not in {self.given}"})
                continue
            version, flaw = version_of(path)
            if flaw:
                report(f"{path} {flaw}: it is not used")
                failures.add(ASSETS_VARIABLE, {binary.name: f"{path} {flaw}"})
                continue
            if version != binary.version:
                report(f"{path} is {version}, and {binary.version} is what we test with: it is used all the same")
            found[binary.name] = path
        return found

    def _fetch(
        self, module: Module, binaries: Sequence[Binary], report: Report, failures: "Failures"
    ) -> dict[str, Path]:
        """One process at a time gets a module's binaries; one that has waited finds them."""
        try:
            with self.store.order(module, binaries, report) as order:
                found, missing = self.store.find(binaries)
                for name, flaw in damaged(missing).items():
                    report(f"{self.store.directory(module) / name} {flaw}: it is replaced")
                for source in self.sources:
                    if not missing:
                        break
                    reasons = source.obtain(order.only(missing), report)
                    failures.add(source.name, reasons)
                    for line in shared(reasons, missing):
                        report(f"{source.name}{line}")
                    for name in [name for name in missing if name not in reasons]:
                        found[name] = self.store.add(self.catalogue[name], order.staging / name, source.name)
                        del missing[name]
                if not missing:
                    shutil.rmtree(order.parts, ignore_errors=True)
                return found
        except OSError as error:
            failures.add("the cache", {binary.name: str(error) for binary in binaries})
            return {}


@dataclass(slots=True)
class Failures:
    """Why each source could not give each binary."""

    _reasons: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self, source: str, reasons: Mapping[str, str]) -> None:
        self._reasons.setdefault(source, {}).update(reasons)

    def message(self, lost: Sequence[str], fetch: bool) -> str:
        """The whole story of these binaries; each reason is told once for all that share it."""
        lines = [f"{_list(lost)} {'is' if len(lost) == 1 else 'are'} not to be had:"]
        for source, reasons in self._reasons.items():
            lines += [f"  {source}{line}" for line in shared(reasons, lost)]
        lines.append(_WAY_OUT if fetch else _WAY_OUT_WITHOUT_FETCH)
        return "\n".join(lines)


def shared(reasons: Mapping[str, str], names: Collection[str]) -> list[str]:
    """A line for each reason, with the names that it is the reason for unless these are all."""
    by_reason: dict[str, list[str]] = {}
    for name in names:
        if name in reasons:
            by_reason.setdefault(reasons[name], []).append(name)
    return [
        f": {reason}" if len(those) == len(names) else f" of {_list(those)}: {reason}"
        for reason, those in by_reason.items()
    ]


_WAY_OUT = (
    f"The way out: set {ASSETS_VARIABLE} to a directory that has them, or give this machine a way to dl.k8s.io and "
    "github.com (HTTPS_PROXY is respected) or to a proxy of Go modules (GOPROXY), and try again."
)
_WAY_OUT_WITHOUT_FETCH = (
    f"The way out: call '{COMMAND}', which downloads or builds them once, or set {ASSETS_VARIABLE} to a directory that "
    "has them."
)


def machine_assets(
    environment: Mapping[str, str] = os.environ, platform: Callable[[], Platform] = this_platform
) -> Assets:
    """As the environment says."""
    given = environment.get(ASSETS_VARIABLE)
    # Absolute, since programs are started from here that run in other directories.
    home = cache_home().absolute()
    store = BinaryStore(home / "binaries", platform())
    sources = (Download(), GoBuild(machine_toolchain(home / "go")))
    return Assets(Path(given).absolute() if given else None, store, sources)


def version_of(binary: Path) -> tuple[str, str]:
    """What it says of itself, such as 1.36.3; or why it cannot be told."""
    try:
        done = subprocess.run(
            [binary, "--version"],
            capture_output=True,
            text=True,
            timeout=_VERSION_SECONDS,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return "", f"does not run: {error}"
    match = _VERSION.search(done.stdout) or _VERSION.search(done.stderr)
    if match is None:
        return "", "does not say its version"
    return match.group(), ""


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


@click.command(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=f"Names: {', '.join(BINARIES)}. Progress goes to standard error. "
    "Exit codes: 0 done, 1 a binary is not to be had, 2 wrong usage.",
)
@click.argument("names", nargs=-1, type=click.Choice(list(BINARIES)), metavar="[NAME]...")
@click.option(
    "--print",
    "form",
    type=click.Choice(["table", "path"]),
    default="table",
    show_default=True,
    help="Name, version and path, or the paths alone: one a line, in the order of the names.",
)
@click.option(
    "--fetch/--no-fetch", default=True, help="Download or build what is not there, or only look.  [default: fetch]"
)
def main(names: Sequence[str], form: str, fetch: bool) -> None:
    """Find the binaries of a real control plane, or get them: all of them, or those that are named.

    Each is taken from the first of: the directory KUBEBUILDER_ASSETS; the cache (KDL_CACHE_HOME, else ~/.cache/kdl);
    its project's release; a build from Go modules, which takes up to twenty minutes. A second call takes no time.
    """
    try:
        found = locate(names, report=lambda line: click.echo(line, err=True), fetch=fetch)
    except AssetsError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
    click.echo("\n".join(_printed(found, form)))


def _printed(found: Mapping[str, Path], form: str) -> Iterable[str]:
    width = max(map(len, found))
    for name, path in found.items():
        yield str(path) if form == "path" else f"{name:{width}}  {BINARIES[name].version:8}  {path}"


if __name__ == "__main__":
    main()
