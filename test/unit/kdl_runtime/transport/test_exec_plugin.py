"""Credential plugins: what they are told, what they may answer, and when they are run."""

import asyncio
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from kdl_runtime.codec.json import decode, encode
from kdl_runtime.transport import exec_plugin
from kdl_runtime.transport.config import ClusterConfig, ConfigError, ExecConfig, Source, UserConfig
from kdl_runtime.transport.credentials import Credential
from kdl_runtime.transport.exec_plugin import (
    PluginAnswer,
    PluginCredentials,
    exec_info,
    is_interactive,
    parse_answer,
    run_plugin,
)
from kdl_runtime.transport.http import HttpRequest, HttpTransport

V1 = "client.authentication.k8s.io/v1"
CLUSTER = ClusterConfig("https://k.example", ca=Source(data=b"CA"), tls_server_name="kubernetes")

COUNTING = """
import json, os, pathlib, sys
counter = pathlib.Path(sys.argv[1])
count = int(counter.read_text()) + 1 if counter.exists() else 1
counter.write_text(str(count))
status = {"token": f"token-{count}"}
if len(sys.argv) > 2:
    status["expirationTimestamp"] = sys.argv[2]
info = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
print(json.dumps({"kind": "ExecCredential", "apiVersion": info["apiVersion"], "status": status}))
"""


def script(code: str, *args: str, **settings: Any) -> ExecConfig:
    """A plugin that is a Python program."""
    return ExecConfig(sys.executable, V1, ("-c", code, *args), **({"interactive_mode": "Never"} | settings))


def credential(**status: Any) -> bytes:
    return encode({"kind": "ExecCredential", "apiVersion": V1, "status": status})


# ---- what they are told


def test_the_info_without_cluster() -> None:
    assert exec_info(script(""), CLUSTER, interactive=True) == {
        "kind": "ExecCredential",
        "apiVersion": V1,
        "spec": {"interactive": True},
    }


def test_the_info_with_cluster() -> None:
    plugin = script("", provide_cluster_info=True, cluster_extension={"audience": "x"})
    assert exec_info(plugin, CLUSTER, interactive=False)["spec"] == {
        "interactive": False,
        "cluster": {
            "server": "https://k.example",
            "tls-server-name": "kubernetes",
            "certificate-authority-data": "Q0E=",
            "config": {"audience": "x"},
        },
    }


@pytest.mark.parametrize(
    ("mode", "terminal", "interactive"),
    [
        ("Never", True, False),
        ("Never", False, False),
        ("IfAvailable", True, True),
        ("IfAvailable", False, False),
        ("Always", True, True),
    ],
)
def test_who_gets_the_terminal(mode: str, terminal: bool, interactive: bool) -> None:
    assert is_interactive(script("", interactive_mode=mode), terminal=terminal) is interactive


def test_a_plugin_that_must_have_a_terminal() -> None:
    with pytest.raises(ConfigError, match="needs a terminal"):
        is_interactive(script("", interactive_mode="Always"), terminal=False)


# ---- what they may answer


@pytest.mark.parametrize(
    ("output", "answer"),
    [
        (credential(token="t"), PluginAnswer(Credential("Bearer t"))),
        (
            credential(token="t", expirationTimestamp="2026-01-31T12:00:00Z"),
            PluginAnswer(Credential("Bearer t"), datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ),
        (
            credential(clientCertificateData="C", clientKeyData="K"),
            PluginAnswer(Credential(certificate=b"C\nK")),
        ),
        (
            credential(token="t", clientCertificateData="C", clientKeyData="K"),
            PluginAnswer(Credential("Bearer t", b"C\nK")),
        ),
    ],
)
def test_answers(output: bytes, answer: PluginAnswer) -> None:
    assert parse_answer(script(""), output) == answer


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (b"", "it is not JSON"),
        (b"Logged in", "it is not JSON"),
        (b"[]", "it is not an ExecCredential"),
        (b'{"kind":"Status"}', "it is not an ExecCredential"),
        (
            encode({"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1beta1"}),
            "its apiVersion is 'client.authentication.k8s.io/v1beta1' and the kubeconfig says 'client",
        ),
        (encode({"kind": "ExecCredential", "apiVersion": V1}), "it has no status"),
        (credential(), "neither a token nor a client certificate"),
        (credential(clientCertificateData="C"), "must come together"),
        (credential(token="t", clientKeyData="K"), "must come together"),
        (credential(token="t", expirationTimestamp="soon"), "expirationTimestamp: "),
    ],
)
def test_answers_that_are_refused(output: bytes, message: str) -> None:
    with pytest.raises(ConfigError, match=f"answer of the credential plugin .* is not usable: .*{message}"):
        parse_answer(script(""), output)


# ---- runs


async def test_a_run_gets_arguments_environment_and_info() -> None:
    code = (
        "import json, os, sys; info = json.loads(os.environ['KUBERNETES_EXEC_INFO']);"
        "seen = [sys.argv[1], os.environ['EXTRA'], str(info['spec']['interactive']), repr(sys.stdin.read())];"
        "token = '|'.join(seen);"
        "print(json.dumps({'kind': 'ExecCredential', 'apiVersion': info['apiVersion'], 'status': {'token': token}}))"
    )
    answer = await run_plugin(script(code, "arg", env=(("EXTRA", "extra"),)), CLUSTER)
    assert answer.credential.authorization == "Bearer arg|extra|False|''"


async def test_a_failing_plugin_is_quoted_in_one_line() -> None:
    code = "import sys; print('please\\n log in', file=sys.stderr); sys.exit(3)"
    with pytest.raises(ConfigError, match=r"failed with exit code 3: please log in$"):
        await run_plugin(script(code), CLUSTER)


async def test_a_silent_failure() -> None:
    with pytest.raises(ConfigError, match=r"failed with exit code 1$"):
        await run_plugin(script("raise SystemExit(1)"), CLUSTER)


async def test_a_plugin_that_is_not_installed() -> None:
    plugin = ExecConfig("/nowhere/login", V1, install_hint="get it\nfrom example.com", interactive_mode="Never")
    with pytest.raises(ConfigError, match=r"'/nowhere/login' \(No such file or directory\): get it from example\.com"):
        await run_plugin(plugin, CLUSTER)


async def test_a_plugin_that_hangs_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exec_plugin, "PLUGIN_TIMEOUT", 0.2)
    async with asyncio.timeout(20):
        with pytest.raises(ConfigError, match="did not answer within 0 s: does it wait for input"):
            await run_plugin(script("import time; time.sleep(60)"), CLUSTER)


async def test_a_cancelled_run_leaves_no_process(tmp_path: Path) -> None:
    fifo = tmp_path / "pid"
    os.mkfifo(fifo)
    code = "import os, pathlib, sys, time; pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); time.sleep(60)"
    task = asyncio.create_task(run_plugin(script(code, str(fifo)), CLUSTER))
    async with asyncio.timeout(20):
        pid = await asyncio.to_thread(fifo.read_text)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)


# ---- when they are run


async def test_a_credential_without_expiry_is_asked_for_once(manual_clock: Any, tmp_path: Path) -> None:
    credentials = PluginCredentials(script(COUNTING, str(tmp_path / "count")), CLUSTER, manual_clock)
    manual_clock.advance(1e9)
    answers = await asyncio.gather(*(credentials.current() for _ in range(5)))
    assert set(answers) == {Credential("Bearer token-1")}


async def test_an_expired_credential_is_asked_for_again(manual_clock: Any, tmp_path: Path) -> None:
    plugin = script(COUNTING, str(tmp_path / "count"), "2026-01-31T12:10:00Z")
    credentials = PluginCredentials(plugin, CLUSTER, manual_clock)
    assert await credentials.current() == Credential("Bearer token-1")
    manual_clock.advance(599)
    assert await credentials.current() == Credential("Bearer token-1")
    manual_clock.advance(1)
    assert await credentials.current() == Credential("Bearer token-2")


async def test_a_refused_credential_is_asked_for_again_by_one_of_many(manual_clock: Any, tmp_path: Path) -> None:
    credentials = PluginCredentials(script(COUNTING, str(tmp_path / "count")), CLUSTER, manual_clock)
    refused = await credentials.current()
    assert await asyncio.gather(*(credentials.renew(refused) for _ in range(3))) == [True] * 3
    assert await credentials.current() == Credential("Bearer token-2")


async def test_connections_of_several_threads_share_one_run(manual_clock: Any, tmp_path: Path) -> None:
    """The election has a thread and connections of its own, and a plugin may ask its user to log in."""
    plugin = script(COUNTING, str(tmp_path / "count"))

    async def current() -> str:
        return (await PluginCredentials(plugin, CLUSTER, manual_clock).current()).authorization

    threads = [asyncio.to_thread(asyncio.run, current()) for _ in range(3)]
    assert await asyncio.gather(current(), *threads) == ["Bearer token-1"] * 4
    other = PluginCredentials(script(COUNTING, str(tmp_path / "count")), CLUSTER, manual_clock)
    assert (await other.current()).authorization == "Bearer token-2", "another configuration is another user"


async def test_a_run_that_is_cancelled_keeps_nobody_waiting(manual_clock: Any, tmp_path: Path) -> None:
    plugin = script(COUNTING, str(tmp_path / "count"))
    first = asyncio.create_task(PluginCredentials(plugin, CLUSTER, manual_clock).current())
    second = asyncio.create_task(PluginCredentials(plugin, CLUSTER, manual_clock).current())
    await asyncio.sleep(0)
    first.cancel()
    assert (await asyncio.wait_for(second, 20)).authorization.startswith("Bearer token-")


async def test_a_plugin_that_insists_is_not_followed(manual_clock: Any) -> None:
    output = decode(credential(token="same"))
    credentials = PluginCredentials(script(f"import json; print(json.dumps({output!r}))"), CLUSTER, manual_clock)
    assert not await credentials.renew(await credentials.current())


async def test_a_transport_asks_the_plugin_again_when_the_server_refuses(
    server: Any, manual_clock: Any, tmp_path: Path
) -> None:
    seen = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.headers["Authorization"])
        return web.Response(status=200 if seen[-1] == "Bearer token-2" else 401)

    async with server(handler) as url:
        plugin = script(COUNTING, str(tmp_path / "count"))
        transport = HttpTransport(ClusterConfig(url, user=UserConfig(exec=plugin)), manual_clock)
        statuses = [(await transport.request(HttpRequest("GET", "/"))).status for _ in range(2)]
        await transport.close()
    assert statuses == [200, 200]
    assert seen == ["Bearer token-1", "Bearer token-2", "Bearer token-2"]
