"""Credential plugins: a program of the user's that prints a token or a client certificate.

Protocol: https://kubernetes.io/docs/reference/config-api/client-authentication.v1/.
"""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kdl_runtime.clock import Clock
from kdl_runtime.codec.json import DecodeError, decode, encode
from kdl_runtime.codec.times import parse_time
from kdl_runtime.transport.config import ClusterConfig, ConfigError, ExecConfig
from kdl_runtime.transport.credentials import Credential

PLUGIN_TIMEOUT = 60.0
"""Seconds that a plugin without a terminal may take; one that may ask its user has no limit."""

POLL_SECONDS = 0.02
"""How often who waits for a plugin that another request runs looks for its answer."""


@dataclass(frozen=True, slots=True)
class PluginAnswer:
    """A credential and when to ask for another; None is never."""

    credential: Credential
    expires: datetime | None = None


class PluginCredentials:
    """Runs the plugin when there is no credential, when it has expired, and when the server refused it.

    One run at a time for all connections of a configuration, in whatever thread they are: requests that come meanwhile
    wait for its answer and share it.
    """

    def __init__(self, plugin: ExecConfig, cluster: ClusterConfig, clock: Clock) -> None:
        self._plugin = plugin
        self._cluster = cluster
        self._clock = clock

    async def current(self) -> Credential:
        return (self._valid() or await self._ask()).credential

    async def renew(self, refused: Credential) -> bool:
        shared = self._plugin.shared
        # Another request that was refused with the same credential may have run the plugin already.
        if shared.answer is not None and shared.answer.credential == refused:
            shared.answer = None
        return await self.current() != refused

    def _valid(self) -> PluginAnswer | None:
        answer: PluginAnswer | None = self._plugin.shared.answer
        if answer is None or (answer.expires is not None and self._clock.now() >= answer.expires):
            return None
        return answer

    async def _ask(self) -> PluginAnswer:
        shared = self._plugin.shared
        # A lock of threads, since event loops of several may wait; none of them may block.
        while not shared.lock.acquire(blocking=False):  # noqa: ASYNC110  # an asyncio.Event is of one loop only
            await asyncio.sleep(POLL_SECONDS)
        try:
            answer = self._valid() or await run_plugin(self._plugin, self._cluster)
            shared.answer = answer
            return answer
        finally:
            shared.lock.release()


async def run_plugin(plugin: ExecConfig, cluster: ClusterConfig) -> PluginAnswer:
    """One run. ConfigError, with the plugin's own words, if it does not end in a credential."""
    interactive = is_interactive(plugin, terminal=sys.stdin is not None and sys.stdin.isatty())
    info = exec_info(plugin, cluster, interactive=interactive)
    env = {**os.environ, **dict(plugin.env), "KUBERNETES_EXEC_INFO": encode(info).decode()}
    try:
        process = await asyncio.create_subprocess_exec(
            plugin.command,
            *plugin.args,
            env=env,
            stdin=None if interactive else DEVNULL,
            stdout=PIPE,
            stderr=None if interactive else PIPE,
        )
    except OSError as error:
        hint = f": {' '.join(plugin.install_hint.split())}" if plugin.install_hint else ""
        raise ConfigError(f"cannot run the credential plugin {plugin.command!r} ({error.strerror}){hint}") from error
    try:
        async with asyncio.timeout(None if interactive else PLUGIN_TIMEOUT):
            output, errors = await process.communicate()
    except TimeoutError:
        raise ConfigError(
            f"the credential plugin {plugin.command!r} did not answer within {PLUGIN_TIMEOUT:.0f} s: "
            "does it wait for input? Log in with it in a terminal first"
        ) from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        detail = " ".join((errors or b"").decode(errors="replace").split())
        raise ConfigError(
            f"the credential plugin {plugin.command!r} failed with exit code {process.returncode}"
            + (f": {detail[-500:]}" if detail else "")
        )
    return parse_answer(plugin, output)


def is_interactive(plugin: ExecConfig, *, terminal: bool) -> bool:
    """Whether the plugin gets the terminal. ConfigError if it must have one and there is none."""
    if plugin.interactive_mode == "Always" and not terminal:
        raise ConfigError(
            f"the credential plugin {plugin.command!r} needs a terminal (interactiveMode: Always): "
            "use a plugin or a token that works without one"
        )
    return terminal and plugin.interactive_mode != "Never"


def exec_info(plugin: ExecConfig, cluster: ClusterConfig, *, interactive: bool) -> dict[str, Any]:
    """The ExecCredential that the plugin finds in KUBERNETES_EXEC_INFO."""
    spec: dict[str, Any] = {"interactive": interactive}
    if plugin.provide_cluster_info:
        described = {
            "server": cluster.server,
            "tls-server-name": cluster.tls_server_name,
            "insecure-skip-tls-verify": cluster.insecure_skip_tls_verify,
            "certificate-authority-data": b64encode(cluster.ca.read()).decode(),
            "proxy-url": cluster.proxy_url,
            "disable-compression": cluster.disable_compression,
            "config": plugin.cluster_extension,
        }
        spec["cluster"] = {name: value for name, value in described.items() if value}
    return {"kind": "ExecCredential", "apiVersion": plugin.api_version, "spec": spec}


def parse_answer(plugin: ExecConfig, output: bytes) -> PluginAnswer:
    """What a plugin has printed. ConfigError unless it is a credential of the version that was asked for."""

    def refuse(problem: str) -> ConfigError:
        return ConfigError(f"the answer of the credential plugin {plugin.command!r} is not usable: {problem}")

    try:
        answer = decode(output)
    except DecodeError as error:
        raise refuse(f"it is not JSON ({error})") from None
    if not isinstance(answer, Mapping) or answer.get("kind") != "ExecCredential":
        raise refuse("it is not an ExecCredential")
    if answer.get("apiVersion") != plugin.api_version:
        raise refuse(f"its apiVersion is {answer.get('apiVersion')!r} and the kubeconfig says {plugin.api_version!r}")
    status = answer.get("status")
    if not isinstance(status, Mapping):
        raise refuse("it has no status")
    token, certificate, key = (
        str(status.get(name) or "") for name in ("token", "clientCertificateData", "clientKeyData")
    )
    if bool(certificate) != bool(key):
        raise refuse("clientCertificateData and clientKeyData must come together")
    if not token and not certificate:
        raise refuse("it has neither a token nor a client certificate")
    expires = status.get("expirationTimestamp")
    try:
        moment = parse_time(str(expires)) if expires else None
    except ValueError as error:
        raise refuse(f"expirationTimestamp: {error}") from None
    pem = f"{certificate}\n{key}".encode() if certificate else b""
    return PluginAnswer(Credential(f"Bearer {token}" if token else "", pem), moment)
