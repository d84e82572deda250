"""X.509 certificates of one's own: an authority, and what it signs for servers. Pure, but for the keys it makes up.

Keys are EC P-256; what is made passes OpenSSL's strict checks (``ssl.VERIFY_X509_STRICT``) and those of Go.
"""

import ipaddress
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CLOCK_SKEW = timedelta(hours=1)
"""How long before they are made certificates are valid: clocks of nodes differ."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a certificate says. ``made``: when it was issued, by the clock of who did."""

    made: datetime
    not_after: datetime
    hosts: frozenset[str]


def new_authority(name: str, now: datetime, lifetime: timedelta) -> KeyPair:
    """A certificate that signs others, valid until ``now + lifetime``."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject(name)
    certificate = (
        _builder(key.public_key(), (now, now + lifetime))
        .subject_name(subject)
        .issuer_name(subject)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _pair(certificate, key)


def new_server_certificate(authority: KeyPair, hosts: Collection[str], now: datetime, lifetime: timedelta) -> KeyPair:
    """For a server under these DNS names and IP addresses; ends with its authority at the latest."""
    issuer = x509.load_pem_x509_certificate(authority.certificate)
    signer = _signing_key(authority.key)
    key = ec.generate_private_key(ec.SECP256R1())
    names = [_general_name(host) for host in sorted(hosts)]
    end = min(now + lifetime, issuer.not_valid_after_utc)
    certificate = (
        _builder(key.public_key(), (now, end))
        # Names are read from the extension; the subject is for people, and its length is limited.
        .subject_name(_subject(sorted(hosts)[0][:64]))
        .issuer_name(issuer.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(signer, hashes.SHA256())
    )
    return _pair(certificate, key)


def facts(certificate: bytes) -> Facts:
    """Of the first certificate in a PEM text. ValueError if there is none."""
    loaded = x509.load_pem_x509_certificate(certificate)
    hosts: set[str] = set()
    try:
        names = loaded.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        hosts = {str(name.value) for name in names}
    except x509.ExtensionNotFound:
        pass
    return Facts(loaded.not_valid_before_utc + CLOCK_SKEW, loaded.not_valid_after_utc, frozenset(hosts))


def split(bundle: bytes) -> tuple[bytes, ...]:
    """The certificates of a PEM text, one by one. ValueError for what is none."""
    return tuple(_text(certificate) for certificate in x509.load_pem_x509_certificates(bundle))


def fits(pair: KeyPair) -> bool:
    """Whether certificate and key belong together. ValueError if one of them cannot be read."""
    public = x509.load_pem_x509_certificate(pair.certificate).public_key()
    return bool(public == _signing_key(pair.key).public_key())


def is_signed_by(certificate: bytes, authority: bytes) -> bool:
    """ValueError if one of them cannot be read."""
    issuer = x509.load_pem_x509_certificate(authority)
    try:
        x509.load_pem_x509_certificate(certificate).verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _builder(key: ec.EllipticCurvePublicKey, validity: tuple[datetime, datetime]) -> x509.CertificateBuilder:
    made, end = validity
    return (
        x509.CertificateBuilder()
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(made - CLOCK_SKEW)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _signing_key(text: bytes) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(text, None)
    except TypeError as error:
        raise ValueError("the key has a passphrase") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("the key is of another kind than is made here")
    return key


def _text(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> KeyPair:
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return KeyPair(_text(certificate), private)
