"""What proves identities in one control plane: its authority, the API server's certificate, the key of tokens."""

import ipaddress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kdl_local.apiserver.certificates import Authority, KeyPair, create_authority
from kdl_local.apiserver.kubeconfig import write_private
from kdl_testing.envtest.options import ControlPlaneOptions

_SERVICE_NAMES = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Credentials:
    """The files of a control plane, all for their owner only, and the authority that signs for further users.

    ``tokens_key`` and ``tokens_public_key`` sign and check the tokens of service accounts.
    """

    authority: Authority
    authority_certificate: Path
    authority_key: Path
    server_certificate: Path
    server_key: Path
    tokens_key: Path
    tokens_public_key: Path


def prepare(directory: Path, hosts: tuple[str, ...], now: datetime) -> Credentials:
    """Makes what is not in the directory yet; the server's certificate is always made anew, for these hosts.

    Certificates are valid for a year, from five minutes ago.
    """
    found = Credentials(
        authority=_authority(directory, now),
        authority_certificate=directory / "ca.crt",
        authority_key=directory / "ca.key",
        server_certificate=directory / "server.crt",
        server_key=directory / "server.key",
        tokens_key=directory / "service-accounts.key",
        tokens_public_key=directory / "service-accounts.pub",
    )
    server = found.authority.server(hosts, now)
    _write(found.server_certificate, server.certificate)
    _write(found.server_key, server.key)
    if not found.tokens_key.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        _write(found.tokens_key, _private_text(key))
        public = key.public_key()
        _write(
            found.tokens_public_key,
            public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
        )
    return found


def server_hosts(options: ControlPlaneOptions) -> tuple[str, ...]:
    """Every name and address under which the API server may be called, once each."""
    service = str(next(ipaddress.ip_network(options.service_cidr).hosts()))
    bind = options.bind_address
    own = () if ipaddress.ip_address(bind).is_unspecified else (bind,)
    advertised = (options.advertise_address,) if options.advertise_address else ()
    return tuple(dict.fromkeys((*_LOOPBACK, *own, *advertised, *_SERVICE_NAMES, service, *options.hosts)))


def _authority(directory: Path, now: datetime) -> Authority:
    certificate, key = directory / "ca.crt", directory / "ca.key"
    if certificate.exists() and key.exists():
        return _load(KeyPair(certificate.read_bytes(), key.read_bytes()))
    authority = create_authority(now)
    _write(key, authority.pair.key)
    _write(certificate, authority.certificate)
    return authority


def _load(pair: KeyPair) -> Authority:
    key = serialization.load_pem_private_key(pair.key, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("the key of the authority is of another kind than this package makes: remove the directory")
    return Authority(pair, x509.load_pem_x509_certificate(pair.certificate), key)


def _private_text(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def _write(path: Path, data: bytes) -> None:
    write_private(path, data.decode())
