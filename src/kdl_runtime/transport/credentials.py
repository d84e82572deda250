"""What a request is signed with, and when it is read or made anew."""

from base64 import b64encode
from dataclasses import dataclass, field
from typing import Protocol

from kdl_runtime.clock import Clock
from kdl_runtime.transport.config import ConfigError, Source, UserConfig

REREAD_SECONDS = 60.0
"""How long the content of a file is used before it is read again; projected tokens are renewed far ahead of expiry."""


@dataclass(frozen=True, slots=True)
class Credential:
    """The Authorization header and the client certificate (PEM, the key behind it); empty for none."""

    authorization: str = field(default="", repr=False)
    certificate: bytes = field(default=b"", repr=False)


class Credentials(Protocol):
    async def current(self) -> Credential:
        """What to sign the next request with. ConfigError if there is no way to get it."""
        ...

    async def renew(self, refused: Credential) -> bool:
        """After the server refused (401) a credential: whether there is another one now, so that trying again helps."""
        ...


class RereadSource:
    """A source that is read again once a minute. A file that cannot be read then keeps its last content."""

    def __init__(self, source: Source, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self._content: bytes | None = None
        self._read_at = 0.0

    def read(self) -> bytes:
        """The content, at most a minute old. ConfigError if it could never be read."""
        now = self._clock.monotonic()
        if self._content is None or (self._source.path and now - self._read_at >= REREAD_SECONDS):
            try:
                self._content = self._source.read()
            except ConfigError:
                if self._content is None:
                    raise
            self._read_at = now
        return self._content

    def forget_age(self) -> None:
        """Makes the next ``read`` look at the file."""
        self._read_at = float("-inf")


class StoredCredentials:
    """Tokens, passwords and client certificates from the configuration or from files that somebody else renews."""

    def __init__(self, user: UserConfig, clock: Clock) -> None:
        self._user = user
        self._token_file = RereadSource(Source(path=user.token_file), clock)
        self._certificate = RereadSource(user.client_certificate, clock)
        self._key = RereadSource(user.client_key, clock)

    async def current(self) -> Credential:
        certificate, key = self._certificate.read(), self._key.read()
        return Credential(self._authorization(), certificate + b"\n" + key if certificate else b"")

    async def renew(self, refused: Credential) -> bool:
        for source in (self._token_file, self._certificate, self._key):
            source.forget_age()
        return await self.current() != refused

    def _authorization(self) -> str:
        if token := self._token():
            return f"Bearer {token}"
        if self._user.username:
            pair = f"{self._user.username}:{self._user.password}"
            return f"Basic {b64encode(pair.encode()).decode()}"
        return ""

    def _token(self) -> str:
        try:
            return self._token_file.read().decode().strip() or self._user.token
        except ConfigError:
            if not self._user.token:
                raise
            return self._user.token
