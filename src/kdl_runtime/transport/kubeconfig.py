"""Kubeconfig files: found, merged and turned into the configuration of one cluster.

Rules: https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/. The official Python
package's merger is not used: it lets the last file's ``current-context`` win where kubectl lets the first.
"""

import binascii
import os
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from kdl_runtime.transport.config import (
    ClusterConfig,
    ConfigError,
    ExecConfig,
    Impersonation,
    Source,
    UserConfig,
)
from kdl_runtime.transport.incluster import in_cluster
from kdl_runtime.transport.proxy import environment_proxy

__all__ = ["ClusterConfig", "ConfigError", "load_config", "load_files"]

_EXEC_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
_INTERACTIVE_MODES = ("Never", "IfAvailable", "Always")
_EXEC_EXTENSION = "client.authentication.k8s.io/exec"


def load_config(
    kubeconfig: str | None = None, context: str | None = None, environ: Mapping[str, str] | None = None
) -> ClusterConfig:
    """The cluster to talk to, from the first of: the flag, KUBECONFIG, the pod that this runs in, ~/.kube/config.

    ``kubeconfig`` is one path. KUBECONFIG may list several, separated by colons; files that do not exist are left
    out. ``context`` chooses another than the current context; a pod has none, so naming one skips the pod's own
    configuration. Raises ConfigError.
    """
    environ = os.environ if environ is None else environ
    home = Path(environ["HOME"]) if environ.get("HOME") else Path.home()
    if kubeconfig:
        paths, origin = [Path(kubeconfig).expanduser()], "given by --kubeconfig"
    elif environ.get("KUBECONFIG"):
        paths, origin = (
            [Path(part).expanduser() for part in environ["KUBECONFIG"].split(os.pathsep) if part],
            "given by KUBECONFIG",
        )
    else:
        own = None if context else in_cluster(environ)
        if own is not None:
            return own
        paths, origin = [home / ".kube" / "config"], "the default"
    found = [path for path in paths if path.exists()]
    if not found:
        names = ", ".join(map(str, paths))
        raise ConfigError(
            f"there is no kubeconfig file at {names} ({origin}): pass --kubeconfig, set KUBECONFIG, "
            "or start a local cluster with 'kdl local up'"
        )
    config = load_files(found, context)
    return config if config.proxy_url else replace(config, proxy_url=environment_proxy(config.server, environ))


@dataclass(frozen=True, slots=True)
class _Entry:
    """A named cluster, user or context, and the file that it is from."""

    label: str
    path: Path
    value: Mapping[str, Any]

    def fail(self, problem: str) -> ConfigError:
        return ConfigError(f"{self.label} in {self.path}: {problem}")

    def text(self, field: str) -> str:
        value = self.value.get(field)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self.fail(f"{field} must be a string, it is {value!r}")
        return value

    def flag(self, field: str) -> bool:
        value = self.value.get(field) or False
        if not isinstance(value, bool):
            raise self.fail(f"{field} must be true or false, it is {value!r}")
        return value

    def file(self, field: str) -> Path | None:
        """A path, relative to the file that names it."""
        value = self.text(field)
        return self.path.parent.absolute() / Path(value).expanduser() if value else None

    def source(self, field: str) -> Source:
        """Inline data (``<field>-data``) if there is any, else the file."""
        data = self.text(f"{field}-data")
        if not data:
            return Source(path=self.file(field))
        try:
            return Source(data=b64decode(data, validate=True))
        except binascii.Error:
            raise self.fail(f"{field}-data is not valid base64") from None


def load_files(paths: list[Path], context: str | None = None) -> ClusterConfig:
    """The named or current context of these files, merged: the first file that has an entry wins. ConfigError."""
    documents = [(path, _read(path)) for path in paths]
    where = ", ".join(map(str, paths))
    contexts = _merge(documents, "contexts", "context")
    current = next((str(doc["current-context"]) for _, doc in documents if doc.get("current-context")), "")
    name = context or current
    if not name:
        raise ConfigError(f"{where} sets no current-context: run 'kubectl config use-context NAME' or pass --context")
    if name not in contexts:
        known = ", ".join(sorted(contexts)) or "none"
        raise ConfigError(f"there is no context {name!r} in {where}: choose one of its contexts ({known})")
    chosen = contexts[name]
    cluster = _lookup(documents, ("clusters", "cluster"), chosen)
    user_name = chosen.text("user")
    user = _lookup(documents, ("users", "user"), chosen) if user_name else _Entry("user", chosen.path, {})
    return ClusterConfig(
        server=_server(cluster),
        namespace=chosen.text("namespace") or "default",
        context=name,
        ca=cluster.source("certificate-authority"),
        insecure_skip_tls_verify=_insecure(cluster),
        tls_server_name=cluster.text("tls-server-name"),
        proxy_url=_proxy(cluster),
        disable_compression=cluster.flag("disable-compression"),
        user=_user(user, cluster),
    )


def _read(path: Path) -> Mapping[str, Any]:
    try:
        document = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigError(f"cannot read the kubeconfig file {path}: {error.strerror or error}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        detail = " ".join(str(error).split())
        raise ConfigError(f"the kubeconfig file {path} is not valid YAML: {detail}") from error
    if document is None:
        return {}
    if not isinstance(document, Mapping):
        raise ConfigError(f"the kubeconfig file {path} does not hold a mapping: is it another kind of file?")
    return document


def _merge(documents: list[tuple[Path, Mapping[str, Any]]], section: str, kind: str) -> dict[str, _Entry]:
    """The entries of a section by name, the first file's where several have one."""
    entries: dict[str, _Entry] = {}
    for path, document in documents:
        items = document.get(section) or []
        if not isinstance(items, list):
            raise ConfigError(f"{section} in {path} must be a list")
        for number, item in enumerate(items):
            if not isinstance(item, Mapping) or not isinstance(item.get("name"), str):
                raise ConfigError(f"{section}[{number}] in {path} has no name")
            value = item.get(kind) or {}
            if not isinstance(value, Mapping):
                raise ConfigError(f"{section}[{number}].{kind} in {path} must be a mapping")
            entries.setdefault(item["name"], _Entry(f"{kind} {item['name']!r}", path, value))
    return entries


def _lookup(documents: list[tuple[Path, Mapping[str, Any]]], section: tuple[str, str], context: _Entry) -> _Entry:
    plural, kind = section
    name = context.text(kind)
    if not name:
        raise context.fail(f"it names no {kind}")
    entries = _merge(documents, plural, kind)
    if name not in entries:
        raise context.fail(f"there is no {kind} {name!r}: the known ones are {', '.join(sorted(entries)) or 'none'}")
    return entries[name]


def _server(cluster: _Entry) -> str:
    server = cluster.text("server").rstrip("/")
    url = urlsplit(server)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise cluster.fail(f"server must be a URL such as https://host:6443, it is {server!r}")
    return server


def _proxy(cluster: _Entry) -> str:
    proxy = cluster.text("proxy-url")
    if proxy and urlsplit(proxy).scheme not in ("http", "https"):
        raise cluster.fail(f"proxy-url {proxy!r} is not supported: use an http or https proxy")
    return proxy


def _insecure(cluster: _Entry) -> bool:
    insecure = cluster.flag("insecure-skip-tls-verify")
    if insecure and (cluster.text("certificate-authority") or cluster.text("certificate-authority-data")):
        raise cluster.fail("a certificate authority and insecure-skip-tls-verify exclude each other: remove one")
    return insecure


def _user(user: _Entry, cluster: _Entry) -> UserConfig:
    certificate, key = user.source("client-certificate"), user.source("client-key")
    if bool(certificate) != bool(key):
        raise user.fail("client-certificate and client-key are only of use together: give both")
    provider = user.value.get("auth-provider")
    plugin = _exec(user, cluster)
    if provider and plugin:
        raise user.fail("exec and auth-provider exclude each other: remove one")
    return UserConfig(
        client_certificate=certificate,
        client_key=key,
        token=user.text("token"),
        token_file=user.file("tokenFile"),
        username=user.text("username"),
        password=user.text("password"),
        exec=plugin,
        auth_provider=provider,
        impersonate=_impersonation(user),
    )


def _impersonation(user: _Entry) -> Impersonation:
    extra = user.value.get("as-user-extra") or {}
    impersonation = Impersonation(
        user=user.text("as"),
        uid=user.text("as-uid"),
        groups=tuple(map(str, user.value.get("as-groups") or ())),
        extra=tuple((str(key), tuple(map(str, values))) for key, values in extra.items()),
    )
    if impersonation != Impersonation() and not impersonation.user:
        raise user.fail("as-uid, as-groups and as-user-extra need a user to impersonate: set 'as'")
    return impersonation


def _exec(user: _Entry, cluster: _Entry) -> ExecConfig | None:
    value = user.value.get("exec")
    if not value:
        return None
    if not isinstance(value, Mapping):
        raise user.fail("exec must be a mapping")
    plugin = _Entry(f"{user.label}.exec", user.path, value)
    command, version = plugin.text("command"), plugin.text("apiVersion")
    if not command:
        raise plugin.fail("command is missing")
    if version not in _EXEC_VERSIONS:
        raise plugin.fail(f"apiVersion {version!r} is not supported: use {' or '.join(_EXEC_VERSIONS)}")
    mode = plugin.text("interactiveMode")
    if not mode and version == _EXEC_VERSIONS[0]:
        raise plugin.fail(f"interactiveMode is missing: set it to one of {', '.join(_INTERACTIVE_MODES)}")
    if mode and mode not in _INTERACTIVE_MODES:
        raise plugin.fail(f"interactiveMode {mode!r} is not one of {', '.join(_INTERACTIVE_MODES)}")
    # A bare name is looked up in PATH; a path is relative to the file, like all others.
    resolved = str(plugin.file("command")) if os.sep in command else command
    return ExecConfig(
        command=resolved,
        api_version=version,
        args=tuple(map(str, value.get("args") or ())),
        env=tuple((str(item["name"]), str(item["value"])) for item in value.get("env") or ()),
        install_hint=plugin.text("installHint"),
        provide_cluster_info=plugin.flag("provideClusterInfo"),
        interactive_mode=mode or "IfAvailable",
        cluster_extension=_extension(cluster),
    )


def _extension(cluster: _Entry) -> Any:
    found = (item for item in cluster.value.get("extensions") or () if item.get("name") == _EXEC_EXTENSION)
    return next((item.get("extension") for item in found), None)
