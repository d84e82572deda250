"""Official releases, each checked against the checksum that its project publishes."""

import asyncio
import hashlib
import re
import shutil
import tarfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from kdl_testing.envtest.catalog import Binary, Release
from kdl_testing.envtest.pulse import Pulse
from kdl_testing.envtest.sources import Order, Report
from kdl_testing.envtest.transfer import Limits, TransferError, Transfers, UnreachableError, transfers

_SHA256 = re.compile(r"[0-9a-f]{64}")


class _Asset(msgspec.Struct):
    name: str
    digest: str | None = None


class _GitHubRelease(msgspec.Struct):
    assets: list[_Asset]


@dataclass(frozen=True, slots=True)
class Download:
    """Gives up a host that does not answer for all further binaries, so a machine without a network loses seconds."""

    limits: Limits = field(default_factory=Limits)
    clock: Callable[[], float] = time.monotonic
    _lost: dict[str, str] = field(default_factory=dict, init=False)

    @property
    def name(self) -> str:
        return "download"

    def obtain(self, order: Order, report: Report) -> Mapping[str, str]:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(self._obtain(order, report))
        with ThreadPoolExecutor(1, "download") as executor:
            return executor.submit(lambda: asyncio.run(self._obtain(order, report))).result()

    async def _obtain(self, order: Order, report: Report) -> Mapping[str, str]:
        failures: dict[str, str] = {}
        order.parts.mkdir(exist_ok=True)
        async with transfers(self.limits, report) as client:
            for binary in order.binaries:
                try:
                    await self._fetch(client, order, binary)
                except TransferError as error:
                    failures[binary.name] = str(error)
        return failures

    async def _fetch(self, client: Transfers, order: Order, binary: Binary) -> None:
        release = binary.released(order.platform)
        part = order.parts / release.url.rpartition("/")[2]
        resumed = part.exists()
        expected = published_checksum(await self._text(client, release.checksum_url), part.name)
        if not expected:
            raise TransferError(f"{release.checksum_url} has no SHA-256 of {part.name}")
        await self._file(client, release.url, part, binary)
        if _sha256(part) != expected and resumed:
            client.report(f"{binary}: what an earlier download has left is of no use; from the start")
            part.unlink()
            await self._file(client, release.url, part, binary)
        actual = _sha256(part)
        if actual != expected:
            part.unlink()
            raise TransferError(f"{release.url} has the SHA-256 {actual}, and {expected} is published")
        _unpack(part, release, order.staging / binary.name)
        part.unlink()

    async def _text(self, client: Transfers, url: str) -> str:
        self._check(url)
        try:
            return await client.text(url)
        except UnreachableError as error:
            raise self._lose(url, error) from error

    async def _file(self, client: Transfers, url: str, part: Path, binary: Binary) -> None:
        self._check(url)
        pulse = Pulse(self.clock, client.report)
        client.report(f"downloading {binary} from {url}")

        def received(done: int, total: int) -> None:
            pulse.beat(lambda: f"downloading {binary}: {amount(done, total)}")

        try:
            await client.file(url, part, received)
        except UnreachableError as error:
            raise self._lose(url, error) from error

    def _check(self, url: str) -> None:
        reason = self._lost.get(urlsplit(url).netloc)
        if reason:
            raise TransferError(reason)

    def _lose(self, url: str, error: UnreachableError) -> TransferError:
        self._lost[urlsplit(url).netloc] = str(error)
        return error


def published_checksum(text: str, file: str) -> str:
    """The SHA-256 of a file in any of the forms that ``Release.checksum_url`` may have; empty if it is not in it."""
    if text.lstrip().startswith("{"):
        return _github_digest(text, file)
    for line in text.splitlines():
        digest, _, name = line.strip().partition(" ")
        # sha256sum puts a star before the names of files that it read as binary ones.
        if _SHA256.fullmatch(digest.lower()) and name.strip().lstrip("*") in ("", file):
            return digest.lower()
    return ""


def _github_digest(text: str, file: str) -> str:
    try:
        release = msgspec.json.decode(text, type=_GitHubRelease)
    except msgspec.DecodeError:
        return ""
    for asset in release.assets:
        algorithm, _, digest = (asset.digest or "").partition(":")
        if asset.name == file and algorithm == "sha256" and _SHA256.fullmatch(digest):
            return digest
    return ""


def amount(done: int, total: int) -> str:
    """For people, such as ``34 of 105 MB``."""
    if total:
        return f"{done / 1e6:.0f} of {total / 1e6:.0f} MB"
    return f"{done / 1e6:.0f} MB"


def _unpack(part: Path, release: Release, target: Path) -> None:
    if not release.member:
        shutil.copyfile(part, target)
        return
    try:
        with tarfile.open(part) as archive:
            member = archive.extractfile(release.member)
            if member is None:
                raise KeyError(release.member)
            with member, target.open("wb") as file:
                shutil.copyfileobj(member, file)
    except (tarfile.TarError, KeyError, OSError, EOFError) as error:
        raise TransferError(f"{release.url} does not hold {release.member}: {error}") from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
