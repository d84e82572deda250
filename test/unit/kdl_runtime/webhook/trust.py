"""How an API server looks at a webhook: what is served, what is trusted, and whether these fit at a moment."""

import ssl
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError


def served(context: ssl.SSLContext) -> bytes:
    """The certificate (DER) that a new connection is shown, by a handshake in memory."""
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.check_hostname = False
    client_context.verify_mode = ssl.CERT_NONE
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server)
    server = context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(10):
        finished = 0
        for side in (client, server):
            try:
                side.do_handshake()
                finished += 1
            except ssl.SSLWantReadError:
                pass
        if finished == 2:
            break
    certificate = client.getpeercert(binary_form=True)
    assert certificate
    return certificate


def trusts(bundle: bytes, certificate: bytes, host: str, now: datetime) -> str:
    """Why a client with this bundle (PEM) refuses the certificate (DER); empty if it does not."""
    store = Store(x509.load_pem_x509_certificates(bundle))
    verifier = PolicyBuilder().store(store).time(now).build_server_verifier(x509.DNSName(host))
    try:
        verifier.verify(x509.load_der_x509_certificate(certificate), [])
    except VerificationError as error:
        return str(error)
    return ""


def configuration_crd(kind: str) -> dict[str, Any]:
    """Webhook configurations for an API server that calls no webhooks and does not know them."""
    plural = f"{kind.lower()}s"
    group = "admissionregistration.k8s.io"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.{group}",
            "annotations": {"api-approved.kubernetes.io": "unapproved, for a test"},
        },
        "spec": {
            "group": group,
            "scope": "Cluster",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "versions": [version],
        },
    }
