"""Tokens, passwords and certificates, and when files are read again."""

from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from kdl_runtime.transport.auth_provider import ProviderCredentials
from kdl_runtime.transport.config import ClusterConfig, ConfigError, ExecConfig, Source, UserConfig
from kdl_runtime.transport.credentials import REREAD_SECONDS, Credential, StoredCredentials
from kdl_runtime.transport.exec_plugin import PluginCredentials
from kdl_runtime.transport.http import choose_credentials

PLUGIN = ExecConfig("login", "client.authentication.k8s.io/v1")


@pytest.mark.parametrize(
    ("user", "credential"),
    [
        (UserConfig(), Credential()),
        (UserConfig(token="t"), Credential("Bearer t")),
        (UserConfig(username="u", password="p:q"), Credential(f"Basic {b64encode(b'u:p:q').decode()}")),
        (UserConfig(username="u", token="t"), Credential("Bearer t")),
        (
            UserConfig(client_certificate=Source(data=b"C"), client_key=Source(data=b"K")),
            Credential(certificate=b"C\nK"),
        ),
    ],
)
async def test_what_is_in_the_configuration(manual_clock: Any, user: UserConfig, credential: Credential) -> None:
    credentials = StoredCredentials(user, manual_clock)
    assert await credentials.current() == credential
    assert not await credentials.renew(credential)


async def test_a_token_file_is_read_again_every_minute(manual_clock: Any, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("one\n")
    credentials = StoredCredentials(UserConfig(token_file=file), manual_clock)
    assert await credentials.current() == Credential("Bearer one")
    file.write_text("two")
    manual_clock.advance(REREAD_SECONDS - 1)
    assert await credentials.current() == Credential("Bearer one")
    manual_clock.advance(1)
    assert await credentials.current() == Credential("Bearer two")


async def test_a_refused_token_is_read_again_at_once(manual_clock: Any, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("one")
    credentials = StoredCredentials(UserConfig(token_file=file), manual_clock)
    refused = await credentials.current()
    assert not await credentials.renew(refused)
    file.write_text("two")
    assert await credentials.renew(refused)
    assert await credentials.current() == Credential("Bearer two")


async def test_a_file_that_vanishes_keeps_its_last_content(manual_clock: Any, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("one")
    credentials = StoredCredentials(UserConfig(token_file=file), manual_clock)
    await credentials.current()
    file.unlink()
    manual_clock.advance(REREAD_SECONDS)
    assert await credentials.current() == Credential("Bearer one")


async def test_a_token_in_the_configuration_helps_out_for_a_missing_file(manual_clock: Any, tmp_path: Path) -> None:
    file = tmp_path / "token"
    credentials = StoredCredentials(UserConfig(token="inline", token_file=file), manual_clock)
    assert await credentials.current() == Credential("Bearer inline")
    file.write_text("file")
    assert await credentials.renew(Credential("Bearer inline"))
    assert await credentials.current() == Credential("Bearer file")


async def test_a_file_that_never_was_is_an_error(manual_clock: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*token: No such file or directory"):
        await StoredCredentials(UserConfig(token_file=tmp_path / "token"), manual_clock).current()


def test_credentials_do_not_print_their_secrets() -> None:
    assert "s3cret" not in repr(Credential("Bearer s3cret", b"s3cret"))


@pytest.mark.parametrize(
    ("user", "kind"),
    [
        (UserConfig(), StoredCredentials),
        (UserConfig(exec=PLUGIN), PluginCredentials),
        (UserConfig(auth_provider={"name": "oidc"}), ProviderCredentials),
        (UserConfig(exec=PLUGIN, token="t"), StoredCredentials),
        (UserConfig(exec=PLUGIN, token_file=Path("t")), StoredCredentials),
        (UserConfig(exec=PLUGIN, username="u"), StoredCredentials),
        (UserConfig(exec=PLUGIN, client_certificate=Source(data=b"C")), StoredCredentials),
    ],
)
async def test_a_plugin_is_for_those_who_have_nothing_else(manual_clock: Any, user: UserConfig, kind: type) -> None:
    assert type(choose_credentials(ClusterConfig("https://k", user=user), manual_clock)) is kind
