"""What is due at which moment."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from kdl_runtime.serve.issuing import KeyPair, facts, fits, is_signed_by
from kdl_runtime.webhook.rotation import (
    DEFAULT_POLICY,
    Material,
    RotationPolicy,
    material_of,
    rotated,
    with_authorities_of,
    with_new_authority,
)

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
HOSTS = ("a.b.svc", "127.0.0.1")
DAY = timedelta(days=1)


def first(now: datetime = NOW) -> Material:
    return rotated(None, HOSTS, now, DEFAULT_POLICY, trusted=b"")


def test_the_first_material() -> None:
    made = first()
    assert len(made.authorities) == 1
    assert fits(made.authority)
    assert fits(made.serving)
    assert is_signed_by(made.serving.certificate, made.bundle)
    assert facts(made.serving.certificate).hosts == set(HOSTS)
    assert facts(made.serving.certificate).not_after == NOW + 90 * DAY
    assert facts(made.bundle).not_after == NOW + 365 * DAY
    assert b"PRIVATE" not in repr(made).encode()


@pytest.mark.parametrize(
    ("days", "serving", "authorities"), [(0, False, 1), (59, False, 1), (60, True, 1), (245, True, 2), (366, True, 1)]
)
def test_what_is_due(days: int, serving: bool, authorities: int) -> None:
    made = first()
    later = rotated(made, HOSTS, NOW + days * DAY, DEFAULT_POLICY, trusted=made.bundle)
    assert (later.serving != made.serving, len(later.authorities)) == (serving, authorities)
    assert facts(later.serving.certificate).not_after > NOW + days * DAY
    assert (later is made) is (not serving)


def test_a_new_authority_signs_only_when_it_is_trusted() -> None:
    made = first()
    made = rotated(made, HOSTS, NOW + 244 * DAY, DEFAULT_POLICY, trusted=made.bundle)
    trusting = rotated(made, HOSTS, NOW + 245 * DAY, DEFAULT_POLICY, trusted=made.bundle)
    assert len(trusting.authorities) == 2
    assert trusting.authorities[1:] == made.authorities
    assert trusting.serving == made.serving
    due = NOW + (244 + 60) * DAY
    assert rotated(trusting, HOSTS, due, DEFAULT_POLICY, trusted=made.bundle) is trusting
    signed = rotated(trusting, HOSTS, due, DEFAULT_POLICY, trusted=trusting.bundle)
    assert signed.authorities == trusting.authorities
    assert is_signed_by(signed.serving.certificate, signed.authorities[0])


def test_what_has_expired_is_replaced_at_once_even_if_nobody_trusts_it_yet() -> None:
    made = with_new_authority(first(), NOW, DEFAULT_POLICY)
    later = rotated(made, HOSTS, NOW + 91 * DAY, DEFAULT_POLICY, trusted=b"")
    assert is_signed_by(later.serving.certificate, later.authorities[0])
    assert facts(later.serving.certificate).not_after > NOW + 91 * DAY


def test_a_certificate_of_an_unknown_authority_is_replaced() -> None:
    made = replace(first(), serving=first().serving)
    later = rotated(made, HOSTS, NOW, DEFAULT_POLICY, trusted=b"")
    assert is_signed_by(later.serving.certificate, made.authorities[0])


def test_hosts_are_added_and_none_is_taken_away() -> None:
    made = first()
    wider = rotated(made, ("c.b.svc",), NOW, DEFAULT_POLICY, trusted=made.bundle)
    assert facts(wider.serving.certificate).hosts == {*HOSTS, "c.b.svc"}
    assert rotated(wider, HOSTS, NOW, DEFAULT_POLICY, trusted=made.bundle) is wider


def test_what_a_replica_still_serves_stays_trusted() -> None:
    old = first()
    held = with_new_authority(old, NOW + DAY, DEFAULT_POLICY)
    merged = with_authorities_of(old, held, NOW + DAY)
    assert merged.authorities == (old.authorities[0], held.authorities[0])
    assert merged.authority_key == old.authority_key
    assert with_authorities_of(old, None, NOW) is old
    assert with_authorities_of(old, held, NOW + 400 * DAY) is old


def test_entries_of_a_secret_and_back() -> None:
    made = with_new_authority(first(), NOW, DEFAULT_POLICY)
    entries = made.entries()
    assert entries.keys() == {"ca.crt", "ca.key", "tls.crt", "tls.key"}
    assert material_of(entries) == made


@pytest.mark.parametrize(
    "broken",
    [
        {"tls.key": b""},
        {"tls.crt": b"-----BEGIN CERTIFICATE-----"},
        {"ca.crt": b""},
        {"ca.key": first().serving.key},
        {"tls.key": first().serving.key},
    ],
)
def test_entries_that_cannot_be_used(broken: dict[str, bytes]) -> None:
    assert material_of(first().entries() | broken) is None
    assert material_of({}) is None


@pytest.mark.parametrize(
    "change",
    [
        {"settle": timedelta(0)},
        {"settle": 31 * DAY},
        {"serving_renew_before": 91 * DAY},
        {"authority_renew_before": 90 * DAY},
        {"authority_lifetime": 100 * DAY},
    ],
)
def test_policies_with_gaps_are_refused(change: dict[str, timedelta]) -> None:
    with pytest.raises(ValueError, match="a rotation needs"):
        RotationPolicy(**change)


def test_a_key_is_not_shown() -> None:
    assert "secret" not in repr(KeyPair(b"certificate", b"secret"))
