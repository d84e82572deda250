"""How to reach one cluster and as whom: what kubeconfig files and pods are turned into before anything connects."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kdl_runtime.errors import KdlError


class ConfigError(KdlError):
    """The configuration cannot be used as it is; the message is one line that names the file and the way out."""


@dataclass(frozen=True, slots=True)
class Source:
    """Bytes that are given inline or are in a file, which may change while the program runs."""

    data: bytes = field(default=b"", repr=False)
    path: Path | None = None

    def read(self) -> bytes:
        """The bytes now. ConfigError for a file that cannot be read."""
        if self.data or self.path is None:
            return self.data
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise ConfigError(f"cannot read {self.path}: {error.strerror or error}") from error

    def __bool__(self) -> bool:
        return bool(self.data) or self.path is not None


class SharedAnswer:
    """What a credential plugin has answered, for all connections of one configuration: those of the leader election
    live in another thread, and a plugin may ask its user to log in. ``lock`` is held while the plugin runs."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.answer: Any = None


@dataclass(frozen=True, slots=True)
class ExecConfig:
    """A credential plugin (``users[].user.exec``), see
    https://kubernetes.io/docs/reference/config-api/client-authentication.v1/."""

    command: str
    api_version: str
    args: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    install_hint: str = ""
    provide_cluster_info: bool = False
    interactive_mode: str = "IfAvailable"
    cluster_extension: Any = None
    shared: SharedAnswer = field(default_factory=SharedAnswer, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Impersonation:
    """Whom to act as; needs the right to impersonate. Without ``user`` nothing else may be set."""

    user: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class UserConfig:
    """Credentials. A token file is read again every minute and takes precedence over ``token`` as long as it can be
    read; the plugin is run only if no token, password or client certificate is given."""

    client_certificate: Source = Source()
    client_key: Source = Source()
    token: str = field(default="", repr=False)
    token_file: Path | None = None
    username: str = ""
    password: str = field(default="", repr=False)
    exec: ExecConfig | None = None
    auth_provider: Mapping[str, Any] | None = field(default=None, repr=False)
    impersonate: Impersonation = Impersonation()


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """``server`` is a URL that may have a path. ``namespace`` is that of the context, or of the pod in a cluster.

    Without ``ca`` the server must have a certificate that the system trusts. ``disable_compression`` is only passed on
    to plugins: answers are never compressed for this client.
    """

    server: str
    namespace: str = "default"
    context: str = ""
    ca: Source = Source()
    insecure_skip_tls_verify: bool = False
    tls_server_name: str = ""
    proxy_url: str = ""
    disable_compression: bool = False
    user: UserConfig = UserConfig()
