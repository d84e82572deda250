"""TLS contexts from certificates in memory."""

import os
import ssl

from kdl_runtime.transport.config import ConfigError


def client_context(ca: bytes, certificate: bytes, *, insecure: bool = False) -> ssl.SSLContext:
    """A context for connections to the API server.

    ``ca``: PEM of the authorities to trust, empty for the system's own. ``certificate``: PEM of a client certificate
    with its key, empty for none. ``insecure`` accepts any server. ConfigError says which of them cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Python 3.13 refuses authorities without key identifiers, which many clusters have and Go accepts.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.set_alpn_protocols(["http/1.1"])
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif ca:
        try:
            context.load_verify_locations(cadata=ca.decode("ascii", errors="ignore"))
        except ssl.SSLError as error:
            raise ConfigError(f"the cluster's certificate authority is not a PEM certificate: {error}") from error
    else:
        context.load_default_certs()
    if certificate:
        _load_certificate(context, certificate)
    return context


def _load_certificate(context: ssl.SSLContext, certificate: bytes) -> None:
    # OpenSSL takes a client certificate only from a file; this one is in memory, so that no key reaches a disk.
    descriptor = os.memfd_create("client-certificate", os.MFD_CLOEXEC)
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(certificate)
        # With a password given, an encrypted key is an error and not a question on the terminal.
        context.load_cert_chain(f"/proc/self/fd/{descriptor}", password="")
    except ssl.SSLError as error:
        raise ConfigError(
            f"the client certificate and key cannot be used ({error}): they must be PEM, belong together and "
            "have no passphrase"
        ) from error
    finally:
        os.close(descriptor)
