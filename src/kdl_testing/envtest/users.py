"""Kubeconfigs for users and service accounts of a cluster."""

from base64 import b64encode
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kdl_local.apiserver.certificates import KeyPair
from kdl_local.apiserver.kubeconfig import write_private
from kdl_runtime.client.client import Client, WriteOptions
from kdl_runtime.codec import yaml
from kdl_runtime.errors import AlreadyExists
from kdl_runtime.resources.registry import SERVICE_ACCOUNTS
from kdl_runtime.transport.config import ClusterConfig, ExecConfig, Impersonation, Source, UserConfig

_NAME = "kdl-envtest"
_MOST_SECONDS = 365 * 24 * 3600


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """``seconds`` is for how long its token is to be valid; the API server allows no less than 600."""

    namespace: str
    name: str
    seconds: int = 24 * 3600

    def __post_init__(self) -> None:
        if not 600 <= self.seconds <= _MOST_SECONDS:
            raise ValueError(f"a token can be valid for 600 to {_MOST_SECONDS} seconds, not for {self.seconds}")


def with_certificate(config: ClusterConfig, client: KeyPair) -> ClusterConfig:
    """The cluster as the user whom a client certificate names."""
    user = UserConfig(client_certificate=Source(data=client.certificate), client_key=Source(data=client.key))
    return replace(config, user=user)


def impersonating(config: ClusterConfig, user: str, groups: tuple[str, ...]) -> ClusterConfig:
    """The cluster as another user, with the credentials of one who may impersonate."""
    return replace(config, user=replace(config.user, impersonate=Impersonation(user=user, groups=groups)))


async def with_token(client: Client, config: ClusterConfig, account: ServiceAccount) -> ClusterConfig:
    """The cluster with a new token of the service account, which is made if it is not there. ApiError."""
    metadata = {"namespace": account.namespace, "name": account.name}
    with suppress(AlreadyExists):
        await client.create(SERVICE_ACCOUNTS, {"metadata": metadata})
    request = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "metadata": metadata,
        "spec": {"expirationSeconds": account.seconds},
    }
    answer = await client.create(SERVICE_ACCOUNTS, request, WriteOptions(subresource="token"))
    # Without any other credential of the caller: the API server prefers a client certificate to a token.
    return replace(config, namespace=account.namespace, user=UserConfig(token=answer["status"]["token"]))


def write(path: Path, config: ClusterConfig) -> Path:
    """A kubeconfig with everything embedded that only its owner can read (0600)."""
    write_private(path, yaml.encode(document(config)))
    return path


def document(config: ClusterConfig) -> dict[str, Any]:
    """The kubeconfig of one cluster and one user."""
    cluster = {
        "server": config.server,
        "certificate-authority-data": _text(config.ca.read()),
        "insecure-skip-tls-verify": config.insecure_skip_tls_verify,
        "tls-server-name": config.tls_server_name,
        "proxy-url": config.proxy_url,
    }
    user = config.user
    fields = {
        "client-certificate-data": _text(user.client_certificate.read()),
        "client-key-data": _text(user.client_key.read()),
        "token": user.token,
        "tokenFile": str(user.token_file or ""),
        "username": user.username,
        "password": user.password,
        "as": user.impersonate.user,
        "as-groups": list(user.impersonate.groups),
        "exec": _plugin(user.exec) if user.exec else None,
    }
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": _NAME, "cluster": _present(cluster)}],
        "users": [{"name": _NAME, "user": _present(fields)}],
        "contexts": [{"name": _NAME, "context": {"cluster": _NAME, "user": _NAME, "namespace": config.namespace}}],
        "current-context": _NAME,
    }


def _plugin(plugin: ExecConfig) -> dict[str, Any]:
    fields = {
        "apiVersion": plugin.api_version,
        "command": plugin.command,
        "args": list(plugin.args),
        "env": [{"name": name, "value": value} for name, value in plugin.env],
        "installHint": plugin.install_hint,
        "interactiveMode": plugin.interactive_mode,
        "provideClusterInfo": plugin.provide_cluster_info,
    }
    return _present(fields)


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}


def _text(data: bytes) -> str:
    return b64encode(data).decode()
