"""Downloads of releases from a server of the test's own: whole, broken, resumed, wrong, missing, refused."""

import hashlib
import io
import json
import socket
import ssl
import tarfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kdl_local.apiserver.certificates import create_authority
from kdl_testing.envtest.catalog import Binary, Module, Platform, Release
from kdl_testing.envtest.download import Download, amount, published_checksum
from kdl_testing.envtest.pulse import PULSE_SECONDS, Pulse
from kdl_testing.envtest.sources import Order
from kdl_testing.envtest.transfer import Limits

CONTENT = bytes(range(256)) * 4096
DIGEST = hashlib.sha256(CONTENT).hexdigest()
OTHER = hashlib.sha256(b"other").hexdigest()
MODULE = Module("tools", "1.2.3", "example.com/tools", ())
LIMITS = Limits(connect=5.0, silence=0.3, pause=0.001, tries=3)


@dataclass
class Site:
    """Serves files; ``faults`` of a path are used up first, one for each request."""

    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[str]] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    ranges: bool = True
    port: int = 0
    released: threading.Event = field(default_factory=threading.Event)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        wanted = request.headers.get("Range", "")
        self.requests.append((request.path, wanted))
        faults = self.faults.get(request.path, [])
        fault = faults.pop(0) if faults else ""
        content = self.files.get(request.path)
        if fault.isdigit() or content is None:
            request.send_error(int(fault or 404))
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.ranges else 0
        if start and start >= len(content):
            request.send_error(416)
            return
        request.send_response(206 if start else 200)
        request.send_header("Content-Length", str(len(content) - start))
        request.end_headers()
        if fault:
            request.wfile.write(content[start : (start + len(content)) // 2])
            request.wfile.flush()
            if fault == "stall":
                self.released.wait(20)
            return
        request.wfile.write(content[start:])

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.answer(self)

        def log_message(self, format: str, *args: object) -> None:
            """Not to the test's output."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = False
        site.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield site
        site.released.set()
        server.shutdown()
        thread.join()


@dataclass
class Bench:
    site: Site
    order: Order
    lines: list[str] = field(default_factory=list)
    download: Download = field(default_factory=lambda: Download(LIMITS))

    def obtain(self) -> dict[str, str]:
        return dict(self.download.obtain(self.order, self.lines.append))

    @property
    def result(self) -> bytes:
        return (self.order.staging / "tool").read_bytes()

    @property
    def part(self) -> Path:
        return self.order.parts / "tool-1.2.3-linux-amd64"

    def leave(self, part: bytes) -> None:
        self.order.parts.mkdir(exist_ok=True)
        self.part.write_bytes(part)


FILE = "/1.2.3/tool-1.2.3-linux-amd64"
SUM = f"{FILE}.sha256"


@pytest.fixture
def bench(tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch) -> Bench:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    release = Release(site.url("/{version}/{name}-{version}-{os}-{arch}"), site.url(SUM))
    binary = Binary("tool", MODULE, "example.com/tool", release)
    staging = tmp_path / "staging"
    staging.mkdir()
    site.files = {FILE: CONTENT, SUM: DIGEST.encode()}
    return Bench(site, Order(MODULE, [binary], Platform("linux", "amd64"), staging, tmp_path / "parts"))


def test_a_release_that_matches_its_checksum(bench: Bench) -> None:
    assert bench.obtain() == {}
    assert bench.result == CONTENT
    assert bench.lines == [f"downloading tool 1.2.3 from {bench.site.url(FILE)}"]
    assert not bench.part.exists()


async def test_it_may_be_called_inside_of_an_event_loop(bench: Bench) -> None:
    assert bench.obtain() == {}
    assert bench.result == CONTENT


@pytest.mark.parametrize("fault", ["break", "stall"])
def test_a_broken_transfer_goes_on_where_it_broke(bench: Bench, fault: str) -> None:
    bench.site.faults = {FILE: [fault]}

    assert bench.obtain() == {}
    assert bench.result == CONTENT
    assert [wanted for path, wanted in bench.site.requests if path == FILE] == ["", f"bytes={len(CONTENT) // 2}-"]
    assert bench.lines[1].startswith(f"the transfer of {bench.site.url(FILE)} broke: ")
    assert bench.lines[1].endswith("; try 2 of 3")


def test_what_an_earlier_call_has_left_is_used(bench: Bench) -> None:
    bench.leave(CONTENT[:1000])

    assert bench.obtain() == {}
    assert bench.result == CONTENT
    assert bench.site.requests[-1] == (FILE, "bytes=1000-")


def test_a_whole_part_needs_no_more_bytes(bench: Bench) -> None:
    bench.leave(CONTENT)

    assert bench.obtain() == {}
    assert bench.result == CONTENT


def test_a_server_that_cannot_resume_sends_all_of_it(bench: Bench) -> None:
    bench.site.ranges = False
    bench.leave(CONTENT[:1000])

    assert bench.obtain() == {}
    assert bench.result == CONTENT


@pytest.mark.parametrize("part", [b"not the beginning", CONTENT + b"more"])
def test_a_part_of_something_else_is_thrown_away(bench: Bench, part: bytes) -> None:
    bench.leave(part)

    assert bench.obtain() == {}
    assert bench.result == CONTENT
    assert bench.site.requests[-1] == (FILE, "")
    assert "tool 1.2.3: what an earlier download has left is of no use; from the start" in bench.lines


def test_a_wrong_checksum(bench: Bench) -> None:
    bench.site.files[SUM] = OTHER.encode()

    reason = bench.obtain()["tool"]

    assert reason == f"{bench.site.url(FILE)} has the SHA-256 {DIGEST}, and {OTHER} is published"
    assert list(bench.order.staging.iterdir()) == []
    assert not bench.part.exists()


def test_no_checksum_for_this_file(bench: Bench) -> None:
    bench.site.files[SUM] = f"{DIGEST}  another-file\n".encode()

    assert bench.obtain() == {"tool": f"{bench.site.url(SUM)} has no SHA-256 of {bench.part.name}"}


@pytest.mark.parametrize("path", [FILE, SUM])
def test_a_release_that_is_not_there_is_not_tried_again(bench: Bench, path: str) -> None:
    del bench.site.files[path]

    assert bench.obtain() == {"tool": f"127.0.0.1:{bench.site.port} answers 404 Not Found for {bench.site.url(path)}"}
    assert [each for each, _ in bench.site.requests].count(path) == 1


def test_a_server_with_a_passing_fault(bench: Bench) -> None:
    bench.site.faults = {SUM: ["503"], FILE: ["500", "429"]}

    assert bench.obtain() == {}
    assert bench.result == CONTENT


def test_a_server_whose_fault_stays_is_given_up_for_all(bench: Bench) -> None:
    bench.site.faults = {SUM: ["503"] * 3}
    first = bench.order.binaries[0]
    bench.order = replace(bench.order, binaries=[first, replace(first, name="other")])

    reasons = bench.obtain()

    assert reasons["tool"] == f"127.0.0.1:{bench.site.port} answers 503 Service Unavailable for {bench.site.url(SUM)}"
    assert reasons["other"] == reasons["tool"]
    assert bench.site.requests == [(SUM, "")] * 3


def test_a_host_that_refuses_is_asked_once(bench: Bench) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/{{name}}"
        first = replace(bench.order.binaries[0], release=Release(url, url))
        bench.order = replace(bench.order, binaries=[first, replace(first, name="other")])

        reasons = bench.obtain()

    assert set(reasons.values()) == {url.split("/")[2] + " cannot be reached: Connection refused"}
    assert list(reasons) == ["tool", "other"]
    assert bench.lines == []


def test_a_host_that_cannot_be_trusted(bench: Bench, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    pair = create_authority(now).server(("127.0.0.1",), now)
    (tmp_path / "server.pem").write_bytes(pair.certificate + pair.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_shake_hands, args=(server, context))
        thread.start()
        url = f"https://127.0.0.1:{server.getsockname()[1]}/tool"
        bench.order = replace(bench.order, binaries=[replace(bench.order.binaries[0], release=Release(url, url))])

        reason = bench.obtain()["tool"]
        thread.join()

    assert reason.startswith(f"{url.split('/')[2]} cannot be trusted: ")
    assert "CERTIFICATE_VERIFY_FAILED" in reason


def _shake_hands(server: socket.socket, context: ssl.SSLContext) -> None:
    connection, _ = server.accept()
    with connection, suppress(OSError):
        context.wrap_socket(connection, server_side=True).close()


def test_a_host_that_has_no_address(bench: Bench) -> None:
    release = Release("http://releases.invalid/tool", "http://releases.invalid/tool.sha256")
    bench.order = replace(bench.order, binaries=[replace(bench.order.binaries[0], release=release)])

    assert bench.obtain()["tool"].startswith("releases.invalid cannot be reached: ")


def test_the_proxy_of_the_environment_is_used(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", bench.site.url(""))
    monkeypatch.setenv("no_proxy", "")
    release = Release("http://releases.invalid" + FILE, "http://releases.invalid" + SUM)
    bench.order = replace(bench.order, binaries=[replace(bench.order.binaries[0], release=release)])
    # A proxy is asked with the whole URL.
    bench.site.files = {f"http://releases.invalid{path}": content for path, content in bench.site.files.items()}

    assert bench.obtain() == {}
    assert bench.result == CONTENT


def _described(*assets: tuple[str, str | None]) -> str:
    """A release as GitHub describes it, cut down."""
    return json.dumps({"assets": [{"name": name, "digest": digest, "size": 1} for name, digest in assets]})


def _archive(member: str) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        info = tarfile.TarInfo(member)
        info.size = len(CONTENT)
        archive.addfile(info, io.BytesIO(CONTENT))
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (_archive("tools/tool"), ""),
        (_archive("tools/another"), "does not hold tools/tool: "),
        (_archive("tools/tool")[:-100], "does not hold tools/tool: "),
        (b"no archive", "does not hold tools/tool: "),
    ],
)
def test_archives(bench: Bench, content: bytes, reason: str) -> None:
    release = replace(bench.order.binaries[0].release, member="tools/{name}")
    bench.order = replace(bench.order, binaries=[replace(bench.order.binaries[0], release=release)])
    bench.site.files = {FILE: content, SUM: hashlib.sha256(content).hexdigest().encode()}

    reasons = bench.obtain()

    if reason:
        assert f"{bench.site.url(FILE)} {reason}" in reasons["tool"]
    else:
        assert reasons == {}
        assert bench.result == CONTENT


def test_a_full_disk_is_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.order.parts.mkdir()
    bench.part.symlink_to("/dev/full")

    assert "No space left on device" in bench.obtain()["tool"]


@pytest.mark.parametrize(
    ("text", "digest"),
    [
        (DIGEST, DIGEST),
        (f"{DIGEST.upper()}\n", DIGEST),
        (f"{OTHER}  other\n{DIGEST}  tool.tar.gz\n", DIGEST),
        (f"{DIGEST} *tool.tar.gz\n", DIGEST),
        (f"{DIGEST}  tool.tar.gz.asc\n", ""),
        ("", ""),
        ("<html>not here</html>", ""),
        (_described(("other", f"sha256:{OTHER}"), ("tool.tar.gz", f"sha256:{DIGEST}")), DIGEST),
        (_described(("other", f"sha256:{OTHER}"), ("tool.tar.gz", None)), ""),
        (_described(("tool.tar.gz", f"sha512:{DIGEST}")), ""),
        ('{"message": "Not Found"}', ""),
        ('{"assets": [', ""),
    ],
)
def test_published_checksums(text: str, digest: str) -> None:
    assert published_checksum(text, "tool.tar.gz") == digest


@pytest.mark.parametrize(("done", "total", "text"), [(34_200_000, 105_000_000, "34 of 105 MB"), (1_500_000, 0, "2 MB")])
def test_amounts(done: int, total: int, text: str) -> None:
    assert amount(done, total) == text


def test_progress_is_told_now_and_then(bench: Bench) -> None:
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += PULSE_SECONDS / 2
        return now

    bench.download = Download(LIMITS, clock)

    assert bench.obtain() == {}
    assert "downloading tool 1.2.3: 1 of 1 MB" in bench.lines


@pytest.mark.parametrize(("seconds", "lines"), [([1.0, 2.0], []), ([10.0, 11.0, 20.0], ["10.0", "20.0"])])
def test_a_pulse(seconds: list[float], lines: list[str]) -> None:
    times = iter([0.0, *seconds])
    told: list[str] = []
    pulse = Pulse(lambda: next(times), told.append)

    for second in map(str, seconds):
        pulse.beat(second.__str__)

    assert told == lines
