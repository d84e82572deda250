"""When certificates are made anew, and which are trusted meanwhile. Pure.

A server certificate must be trusted before it is served. So a new authority is first only added to those that are
trusted; it signs when that has been known everywhere for a while (``settle``). The old authority stays trusted until it
expires, by which time nothing that it has signed is valid any more.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from kdl_runtime.serve.issuing import KeyPair, facts, fits, is_signed_by, new_authority, new_server_certificate, split

AUTHORITY = "webhook-ca"

CA_BUNDLE, CA_KEY, CERTIFICATE, KEY = "ca.crt", "ca.key", "tls.crt", "tls.key"
"""The entries of the Secret."""


@dataclass(frozen=True, slots=True)
class RotationPolicy:
    """How long certificates are valid, and how long before their end new ones are made.

    ``settle``: how long the certificate of an authority has to be in every ``caBundle`` before it signs, since API
    servers do not see it at the same moment.
    """

    authority_lifetime: timedelta = timedelta(days=365)
    authority_renew_before: timedelta = timedelta(days=120)
    serving_lifetime: timedelta = timedelta(days=90)
    serving_renew_before: timedelta = timedelta(days=30)
    settle: timedelta = timedelta(hours=1)

    def __post_init__(self) -> None:
        """ValueError for times with which there would be moments without a certificate that is valid and trusted."""
        ordered = (
            timedelta(0) < self.settle < self.serving_renew_before < self.serving_lifetime
            and self.serving_lifetime + self.settle < self.authority_renew_before < self.authority_lifetime
        )
        if not ordered:
            raise ValueError(
                "a rotation needs 0 < settle < serving_renew_before < serving_lifetime, and serving_lifetime + settle "
                f"< authority_renew_before < authority_lifetime: {self}"
            )


DEFAULT_POLICY = RotationPolicy()


@dataclass(frozen=True, slots=True)
class Material:
    """What all replicas share. ``authorities``: certificates that are trusted, newest first. ``authority_key``: of the
    newest; older keys are not kept."""

    authorities: tuple[bytes, ...]
    authority_key: bytes = field(repr=False)
    serving: KeyPair

    @property
    def bundle(self) -> bytes:
        """The ``caBundle``, PEM."""
        return b"".join(self.authorities)

    @property
    def authority(self) -> KeyPair:
        """The newest, which signs."""
        return KeyPair(self.authorities[0], self.authority_key)

    def entries(self) -> dict[str, bytes]:
        """The data of the Secret."""
        return {
            CA_BUNDLE: self.bundle,
            CA_KEY: self.authority_key,
            CERTIFICATE: self.serving.certificate,
            KEY: self.serving.key,
        }


def material_of(entries: Mapping[str, bytes]) -> Material | None:
    """What a Secret holds; None if that cannot be used."""
    try:
        serving = KeyPair(entries[CERTIFICATE], entries[KEY])
        found = Material(split(entries[CA_BUNDLE]), entries[CA_KEY], serving)
        usable = fits(found.authority) and fits(found.serving)
    except (KeyError, ValueError):
        return None
    return found if usable else None


def rotated(
    material: Material | None, hosts: Collection[str], now: datetime, policy: RotationPolicy, *, trusted: bytes
) -> Material:
    """The material as it has to be now: the same if nothing is due.

    ``trusted``: the bundle that has been where API servers read it for as long as ``settle``, empty for none. Hosts of
    the present certificate stay in it, so that replicas of two versions of a deployment do not take turns in issuing.
    """
    material = _with_authority(material, hosts, now, policy)
    if _is_usable(material, now):
        newest, present = material.authorities[0], facts(material.serving.certificate)
        renew = present.not_after - now <= policy.serving_renew_before or not present.hosts >= set(hosts)
        if not renew or not (newest in trusted or is_signed_by(material.serving.certificate, newest)):
            return material
        hosts = present.hosts | set(hosts)
    return replace(material, serving=_signed(material.authority, hosts, now, policy))


def with_new_authority(material: Material, now: datetime, policy: RotationPolicy) -> Material:
    """The material with one more authority, whether it is due or not: to be trusted now, and to sign later."""
    authority = new_authority(AUTHORITY, now, policy.authority_lifetime)
    return replace(material, authorities=(authority.certificate, *material.authorities), authority_key=authority.key)


def with_authorities_of(material: Material, held: Material | None, now: datetime) -> Material:
    """The material, trusting also what a replica still serves: a Secret may have been restored from an older state."""
    if held is None:
        return material
    missing = [item for item in held.authorities if item not in material.authorities and facts(item).not_after > now]
    return replace(material, authorities=(*material.authorities, *missing)) if missing else material


def _with_authority(
    material: Material | None, hosts: Collection[str], now: datetime, policy: RotationPolicy
) -> Material:
    """With an authority that is good for long enough, and without those that have expired."""
    if material is None or facts(material.authorities[0]).not_after <= now:
        authority = new_authority(AUTHORITY, now, policy.authority_lifetime)
        return Material((authority.certificate,), authority.key, _signed(authority, hosts, now, policy))
    valid = tuple(item for item in material.authorities if facts(item).not_after > now)
    if valid != material.authorities:
        material = replace(material, authorities=valid)
    if facts(valid[0]).not_after - now <= policy.authority_renew_before:
        material = with_new_authority(material, now, policy)
    return material


def _is_usable(material: Material, now: datetime) -> bool:
    certificate = material.serving.certificate
    return facts(certificate).not_after > now and any(
        is_signed_by(certificate, authority) for authority in material.authorities
    )


def _signed(authority: KeyPair, hosts: Collection[str], now: datetime, policy: RotationPolicy) -> KeyPair:
    return new_server_certificate(authority, hosts, now, policy.serving_lifetime)
