"""The server's side of TLS: a context whose certificate is replaced while it serves."""

import os
import ssl
from pathlib import Path

from kdl_runtime.errors import KdlError


class CertificateError(KdlError):
    """A certificate and its key cannot be used; the message says why and what to do."""


class ServingContext:
    """One ``ssl.SSLContext`` for the life of a server. New handshakes get the newest pair, open connections stay."""

    def __init__(self) -> None:
        self.context = _new_context()
        self._pair: tuple[bytes, bytes] | None = None

    @property
    def certificate(self) -> bytes:
        """PEM of the certificate that is served; empty before the first one."""
        return self._pair[0] if self._pair else b""

    def use(self, certificate: bytes, key: bytes) -> bool:
        """Serve this pair (both PEM) from now on; False if it is served already.

        CertificateError for a pair that does not fit together; the one before is served on. Call it in the thread of
        the event loop that serves, so that no handshake begins in the middle.
        """
        if (certificate, key) == self._pair:
            return False
        # A failed attempt takes the key away from the context that it is made on.
        _load(_new_context(), certificate, key)
        _load(self.context, certificate, key)
        self._pair = (certificate, key)
        return True


def require_client_certificates(context: ssl.SSLContext, authorities: Path) -> None:
    """Let nobody in who has no certificate of these authorities (PEM). CertificateError if they cannot be read."""
    try:
        context.load_verify_locations(authorities)
    except OSError as error:
        raise CertificateError(f"the client CA {authorities} cannot be used: {_reason(error)}") from error
    context.verify_mode = ssl.CERT_REQUIRED


def _new_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _load(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    # OpenSSL takes a pair only from a file; this one is in memory, so that no key reaches a disk.
    descriptor = os.memfd_create("serving-certificate", os.MFD_CLOEXEC)
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(certificate + b"\n" + key)
        # With a password given, an encrypted key is an error and not a question on the terminal.
        context.load_cert_chain(f"/proc/self/fd/{descriptor}", password="")
    except ssl.SSLError as error:
        raise CertificateError(
            f"certificate and key cannot be used ({_reason(error)}): they must be PEM, belong together and have no "
            "passphrase"
        ) from error
    finally:
        os.close(descriptor)


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
