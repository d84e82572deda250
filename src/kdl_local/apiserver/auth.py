"""Who sends a request: a client certificate of the cluster's authority, or a bearer token."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kdl_runtime.errors import Unauthorized


@dataclass(frozen=True, slots=True)
class User:
    name: str
    groups: tuple[str, ...] = ()


ADMIN = User("kubernetes-admin", ("system:masters",))
AUTHENTICATED = "system:authenticated"


class Authenticator:
    """Knows the bearer tokens; certificates have been verified by TLS before."""

    def __init__(self, tokens: Mapping[str, User] | None = None) -> None:
        self._tokens = dict(tokens or {})

    def authenticate(self, certificate: Mapping[str, Any] | None, authorization: str) -> User:
        """``certificate`` is what ``ssl.SSLObject.getpeercert`` returns, ``authorization`` the header.

        Unauthorized for a client without credentials, or with a token that is not known.
        """
        user = self._from_token(authorization) if authorization else _from_certificate(certificate)
        if user is None:
            raise Unauthorized("Unauthorized")
        return User(user.name, (*user.groups, AUTHENTICATED))

    def _from_token(self, authorization: str) -> User | None:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return None
        found = None
        # Every token is compared, and in constant time, so that the time tells nothing about them.
        for known, user in self._tokens.items():
            if hmac.compare_digest(known.encode(), token.strip().encode()):
                found = user
        return found


def _from_certificate(certificate: Mapping[str, Any] | None) -> User | None:
    """The common name is the user, organizations are groups, as Kubernetes reads certificates."""
    if not certificate:
        return None
    parts = [part for relative in certificate.get("subject", ()) for part in relative]
    names = [value for field, value in parts if field == "commonName"]
    groups = tuple(value for field, value in parts if field == "organizationName")
    return User(names[-1], groups) if names else None
