"""Certificates in files, and TLS contexts that live on."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kdl_runtime.observe.metrics import Metrics
from kdl_runtime.serve.certificates import CertificateFiles, PairPaths
from kdl_runtime.serve.issuing import KeyPair, is_signed_by, new_authority, new_server_certificate
from kdl_runtime.serve.tls import CertificateError, ServingContext, require_client_certificates
from unit.kdl_runtime.webhook.trust import served

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
AUTHORITY = new_authority("ca", NOW, timedelta(days=365))


class TurningClock:
    """Wakes who sleeps only when a test says so."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self._turn = asyncio.Event()
        self._asleep = asyncio.Event()

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return sum(self.slept)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._asleep.set()
        await self._turn.wait()
        self._turn.clear()

    async def turn(self) -> None:
        """One sleep ends, and the next one has begun."""
        await self._asleep.wait()
        self._asleep.clear()
        self._turn.set()
        await self._asleep.wait()


def pair() -> KeyPair:
    return new_server_certificate(AUTHORITY, ["a.b.svc", "::1"], NOW, timedelta(days=90))


def write(directory: Path, made: KeyPair) -> PairPaths:
    paths = PairPaths(directory)
    paths.certificate.write_bytes(made.certificate)
    paths.key.write_bytes(made.key)
    return paths


def der(made: KeyPair) -> bytes:
    return ssl.PEM_cert_to_DER_cert(made.certificate.decode())


def counts(metrics: Metrics) -> tuple[float | None, float | None]:
    return (
        metrics.value("certwatcher_read_certificate_total"),
        metrics.value("certwatcher_read_certificate_errors_total"),
    )


def test_new_connections_get_the_newest_pair_of_a_context() -> None:
    serving, first, second = ServingContext(), pair(), pair()
    assert serving.certificate == b""
    assert serving.use(first.certificate, first.key)
    assert not serving.use(first.certificate, first.key)
    assert served(serving.context) == der(first)
    assert serving.use(second.certificate, second.key)
    assert served(serving.context) == der(second)
    assert serving.certificate == second.certificate


@pytest.mark.parametrize(
    ("certificate", "key"),
    [(pair().certificate, pair().key), (b"", b""), (b"no", pair().key), (pair().certificate[:200], pair().key)],
)
def test_a_pair_that_does_not_fit_leaves_the_one_before(certificate: bytes, key: bytes) -> None:
    serving, first = ServingContext(), pair()
    serving.use(first.certificate, first.key)
    with pytest.raises(CertificateError, match="they must be PEM, belong together"):
        serving.use(certificate, key)
    assert served(serving.context) == der(first)


async def test_files_are_looked_at_every_ten_seconds(tmp_path: Path) -> None:
    first, second, clock, metrics = pair(), pair(), TurningClock(), Metrics()
    files = CertificateFiles(write(tmp_path, first), clock, metrics)
    await files.start()
    try:
        assert served(files.context) == der(first)
        await clock.turn()
        assert counts(metrics) == (1, 0)
        files.paths.certificate.write_bytes(second.certificate)
        await clock.turn()
        assert served(files.context) == der(first)
        assert counts(metrics) == (2, 1)
        await clock.turn()
        assert counts(metrics) == (3, 2)
        files.paths.key.write_bytes(second.key)
        await clock.turn()
        assert served(files.context) == der(second)
        assert counts(metrics) == (4, 2)
        files.paths.certificate.unlink()
        await clock.turn()
        assert served(files.context) == der(second)
        files.check()
        assert set(clock.slept) == {10.0}
    finally:
        await files.stop()


async def test_a_mounted_secret_changes_by_a_link(tmp_path: Path) -> None:
    """As the kubelet does it: https://kubernetes.io/docs/concepts/configuration/secret/#using-secrets-as-files-from-a-pod"""
    first, second = pair(), pair()
    for name, made in (("..1", first), ("..2", second)):
        (tmp_path / name).mkdir()
        write(tmp_path / name, made)
    link = tmp_path / "..data"
    link.symlink_to("..1")
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).symlink_to(Path("..data") / name)
    files = CertificateFiles(PairPaths(tmp_path), TurningClock(), Metrics())
    assert files.reload()
    assert not files.reload()
    new = tmp_path / "..new"
    new.symlink_to("..2")
    new.rename(link)
    assert files.reload()
    assert served(files.context) == der(second)


async def test_a_start_without_files_says_which(tmp_path: Path) -> None:
    files = CertificateFiles(PairPaths(tmp_path, "a.pem", "b.pem"), TurningClock(), Metrics())
    with pytest.raises(CertificateError, match=r"a\.pem and .*b\.pem cannot be served: No such file"):
        await files.start()
    await files.stop()


def test_a_client_ca_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    context = ServingContext().context
    with pytest.raises(CertificateError, match=r"the client CA .*ca.crt cannot be used: No such file"):
        require_client_certificates(context, tmp_path / "ca.crt")
    assert context.verify_mode is ssl.CERT_NONE


def test_what_is_issued_passes_strict_checks() -> None:
    made = pair()
    client, server = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ServingContext()
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    client.load_verify_locations(cadata=AUTHORITY.certificate.decode())
    fresh = new_authority("ca", datetime.now(UTC), timedelta(days=1))
    now = new_server_certificate(fresh, ["a.b.svc"], datetime.now(UTC), timedelta(days=2))
    client.load_verify_locations(cadata=fresh.certificate.decode())
    server.use(now.certificate, now.key)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = client.wrap_bio(to_client, to_server, server_hostname="a.b.svc")
    other = server.context.wrap_bio(to_server, to_client, server_side=True)
    for side in (one, other, one, other):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    assert one.version() == "TLSv1.3"
    assert is_signed_by(made.certificate, AUTHORITY.certificate)
    assert not is_signed_by(made.certificate, fresh.certificate)
