"""Legacy OpenID Connect settings, which the official package reads."""

from base64 import urlsafe_b64encode
from typing import Any

import pytest

from kdl_runtime.codec.json import encode
from kdl_runtime.transport import auth_provider
from kdl_runtime.transport.auth_provider import ProviderCredentials, load_provider_token
from kdl_runtime.transport.config import ConfigError
from kdl_runtime.transport.credentials import REREAD_SECONDS, Credential


def token(expires: int) -> str:
    parts = [urlsafe_b64encode(encode(part)).decode().rstrip("=") for part in ({"alg": "none"}, {"exp": expires})]
    return ".".join([*parts, "c2ln"])


def test_a_valid_token_is_used() -> None:
    valid = token(4_000_000_000)
    assert load_provider_token({"name": "oidc", "config": {"id-token": valid}}) == Credential(f"Bearer {valid}")


@pytest.mark.parametrize(
    "provider",
    [
        {"name": "oidc", "config": {}},
        {"name": "oidc", "config": {"id-token": "no-jwt"}},
        {"name": "oidc", "config": {"id-token": token(1)}},
        {"name": "unheard-of", "config": {}},
    ],
)
def test_a_provider_without_token(provider: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"auth-provider '{provider['name']}' gives no token"):
        load_provider_token(provider)


async def test_the_provider_is_asked_once_a_minute_and_after_a_refusal(
    manual_clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = iter(["one", "two", "three", "three"])
    monkeypatch.setattr(auth_provider, "load_provider_token", lambda provider: Credential(next(tokens)))
    credentials = ProviderCredentials({"name": "oidc"}, manual_clock)
    assert [await credentials.current(), await credentials.current()] == [Credential("one")] * 2
    manual_clock.advance(REREAD_SECONDS)
    assert await credentials.current() == Credential("two")
    assert await credentials.renew(Credential("two"))
    assert not await credentials.renew(Credential("three"))
