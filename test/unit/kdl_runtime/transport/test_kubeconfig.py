"""Kubeconfig files: which are read, how they are merged, what they say, and what is wrong with them."""

import os
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
import yaml

from kdl_runtime.transport.config import ConfigError, Source
from kdl_runtime.transport.kubeconfig import load_config, load_files

EXEC = {"apiVersion": "client.authentication.k8s.io/v1", "command": "login", "interactiveMode": "Never"}


def b64(text: str) -> str:
    return b64encode(text.encode()).decode()


def kubeconfig(name: str = "c", *, cluster: Any = None, user: Any = None, context: Any = None) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": {"server": f"https://{name}.example:6443"} | (cluster or {})}],
        "users": [{"name": name, "user": user or {}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name} | (context or {})}],
    }


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write(document: Any, path: str = "config") -> Path:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
        return file

    return write


# ---- which configuration


def test_the_flag_comes_before_everything(write: Any, tmp_path: Path) -> None:
    flag, variable = write(kubeconfig("flag"), "flag"), write(kubeconfig("variable"), "variable")
    environ = {"KUBECONFIG": str(variable), "HOME": str(tmp_path), "KUBERNETES_SERVICE_HOST": "10.0.0.1"}
    assert load_config(str(flag), environ=environ).context == "flag"
    assert load_config(environ=environ).context == "variable"


def test_the_default_file_is_in_the_home(write: Any, tmp_path: Path) -> None:
    write(kubeconfig("home"), ".kube/config")
    assert load_config(environ={"HOME": str(tmp_path)}).server == "https://home.example:6443"


def test_a_pod_comes_before_the_default_file_unless_a_context_is_named(write: Any, tmp_path: Path) -> None:
    write(kubeconfig("home"), ".kube/config")
    environ = {"HOME": str(tmp_path), "KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    assert load_config(context="home", environ=environ).context == "home"
    with pytest.raises(ConfigError, match="this is a pod without a service account token"):
        load_config(environ=environ)


@pytest.mark.parametrize(
    ("kubeconfig_flag", "environ", "message"),
    [
        ("/nowhere/a", {}, r"no kubeconfig file at /nowhere/a \(given by --kubeconfig\): pass --kubeconfig, set"),
        (None, {"KUBECONFIG": "/nowhere/a:/nowhere/b"}, r"/nowhere/a, /nowhere/b \(given by KUBECONFIG\)"),
        (None, {"HOME": "/nowhere"}, r"/nowhere/.kube/config \(the default\).*kdl local up"),
    ],
)
def test_no_file_at_all(kubeconfig_flag: str | None, environ: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(kubeconfig_flag, environ=environ)


def test_proxies_of_the_environment_are_used_unless_the_file_names_one(write: Any) -> None:
    environ = {"HTTPS_PROXY": "http://env:1"}
    assert load_config(str(write(kubeconfig())), environ=environ).proxy_url == "http://env:1"
    named = write(kubeconfig(cluster={"proxy-url": "http://file:2"}))
    assert load_config(str(named), environ=environ).proxy_url == "http://file:2"


# ---- merging


def test_the_first_file_wins_entry_by_entry(write: Any) -> None:
    first = kubeconfig("one", user={"token": "first"})
    second = kubeconfig("two", user={"token": "second"})
    second["users"].append({"name": "one", "user": {"username": "discarded", "password": "x"}})
    environ = {"KUBECONFIG": os.pathsep.join(map(str, [write(first, "a"), "/nowhere", write(second, "b")]))}
    merged = load_config(environ=environ)
    assert (merged.context, merged.user.token, merged.user.username) == ("one", "first", "")
    assert load_config(context="two", environ=environ).user.token == "second"


def test_the_first_current_context_wins_and_may_be_in_a_later_file(write: Any) -> None:
    empty, first, second = write("", "0"), kubeconfig("one"), kubeconfig("two")
    del first["current-context"]
    files = [empty, write(first, "a"), write(second, "b"), write({"current-context": "one"}, "c")]
    assert load_files(files).context == "two"


def test_paths_are_relative_to_the_file_that_names_them(write: Any, tmp_path: Path) -> None:
    cluster = {"certificate-authority": "ca.crt"}
    user = {
        "client-certificate": "../up.crt",
        "client-key": "/abs.key",
        "tokenFile": "t",
        "exec": EXEC | {"command": "./p"},
    }
    config = load_files([write(kubeconfig(cluster=cluster, user=user), "deep/er/config")])
    base = tmp_path / "deep" / "er"
    assert config.ca == Source(path=base / "ca.crt")
    assert config.user.client_certificate.path == base / "../up.crt"
    assert config.user.client_key.path == Path("/abs.key")
    assert config.user.token_file == base / "t"
    assert config.user.exec is not None
    assert config.user.exec.command == str(base / "p")


def test_inline_data_beats_files(write: Any) -> None:
    user = {
        "client-certificate": "c",
        "client-certificate-data": b64("cert"),
        "client-key": "k",
        "client-key-data": b64("key"),
    }
    cluster = {"certificate-authority": "ca", "certificate-authority-data": b64("authority")}
    config = load_files([write(kubeconfig(cluster=cluster, user=user))])
    assert config.ca == Source(data=b"authority")
    assert config.user.client_certificate.read() == b"cert"
    assert config.user.client_key.read() == b"key"


# ---- what they say


def test_everything_about_a_cluster(write: Any) -> None:
    cluster = {
        "server": "http://k.example/prefix/",
        "insecure-skip-tls-verify": True,
        "tls-server-name": "kubernetes",
        "proxy-url": "http://p:3128",
        "disable-compression": True,
    }
    config = load_files([write(kubeconfig(cluster=cluster, context={"namespace": "team"}))])
    assert (config.server, config.namespace, config.tls_server_name) == (
        "http://k.example/prefix",
        "team",
        "kubernetes",
    )
    assert (config.insecure_skip_tls_verify, config.disable_compression) == (True, True)
    assert config.proxy_url == "http://p:3128"


def test_everything_about_a_user(write: Any) -> None:
    user = {
        "username": "u",
        "password": "p",
        "as": "jane",
        "as-uid": "7",
        "as-groups": ["dev"],
        "as-user-extra": {"scopes": ["a", "b"]},
    }
    config = load_files([write(kubeconfig(user=user))])
    assert (config.user.username, config.user.password, config.namespace) == ("u", "p", "default")
    assert config.user.impersonate.user == "jane"
    assert config.user.impersonate.groups == ("dev",)
    assert config.user.impersonate.extra == (("scopes", ("a", "b")),)


def test_a_plugin(write: Any) -> None:
    plugin = EXEC | {
        "args": ["get", 1],
        "env": [{"name": "A", "value": "b"}],
        "installHint": "pip install it",
        "provideClusterInfo": True,
        "interactiveMode": "IfAvailable",
    }
    extensions = [{"name": "other"}, {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "x"}}]
    config = load_files([write(kubeconfig(user={"exec": plugin}, cluster={"extensions": extensions}))])
    found = config.user.exec
    assert found is not None
    assert (found.command, found.args, found.env) == ("login", ("get", "1"), (("A", "b"),))
    assert (found.interactive_mode, found.provide_cluster_info, found.cluster_extension) == (
        "IfAvailable",
        True,
        {"audience": "x"},
    )


def test_an_older_plugin_may_leave_out_the_mode(write: Any) -> None:
    plugin = {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": "login"}
    config = load_files([write(kubeconfig(user={"exec": plugin}))])
    assert config.user.exec is not None
    assert config.user.exec.interactive_mode == "IfAvailable"


def test_a_context_without_user_is_anonymous(write: Any) -> None:
    document = kubeconfig()
    del document["contexts"][0]["context"]["user"]
    assert load_files([write(document)]).user.token == ""


def test_secrets_are_not_printed(write: Any) -> None:
    user = {
        "token": "s3cret",
        "username": "u",
        "password": "s3cret",
        "exec": EXEC | {"env": [{"name": "A", "value": "s3cret"}]},
    }
    user |= {"client-certificate-data": b64("s3cret"), "client-key-data": b64("s3cret")}
    assert "s3cret" not in repr(load_files([write(kubeconfig(user=user))]))


# ---- what is wrong with them


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("a: [", r"config is not valid YAML: .*line 1"),
        ("- a", "does not hold a mapping: is it another kind of file"),
        ("", "sets no current-context: run 'kubectl config use-context NAME' or pass --context"),
        (kubeconfig() | {"current-context": "x"}, r"no context 'x' in .*: choose one of its contexts \(c\)"),
        ({"current-context": "x"}, r"choose one of its contexts \(none\)"),
        (kubeconfig() | {"clusters": {}}, "clusters|no cluster 'c'"),
        (kubeconfig() | {"clusters": {"a": 1}}, "clusters in .* must be a list"),
        (kubeconfig() | {"clusters": []}, "context 'c' in .*: there is no cluster 'c': the known ones are none"),
        (kubeconfig() | {"users": []}, "context 'c' in .*: there is no user 'c'"),
        (kubeconfig() | {"users": [{"user": {}}]}, r"users\[0\] in .* has no name"),
        (kubeconfig() | {"users": [{"name": "c", "user": "x"}]}, r"users\[0\]\.user in .* must be a mapping"),
        (kubeconfig(context={"cluster": ""}), "context 'c' in .*: it names no cluster"),
        (kubeconfig(cluster={"server": ""}), "cluster 'c' in .*: server must be a URL such as https://host:6443"),
        (kubeconfig(cluster={"server": "host:6443"}), "server must be a URL"),
        (kubeconfig(cluster={"server": 7}), "server must be a string, it is 7"),
        (kubeconfig(cluster={"insecure-skip-tls-verify": "yes"}), "must be true or false, it is 'yes'"),
        (kubeconfig(cluster={"proxy-url": "socks5://p"}), "proxy-url 'socks5://p' is not supported: use an http"),
        (kubeconfig(cluster={"certificate-authority-data": "%"}), "certificate-authority-data is not valid base64"),
        (
            kubeconfig(cluster={"certificate-authority": "x", "insecure-skip-tls-verify": True}),
            "exclude each other: remove one",
        ),
        (
            kubeconfig(user={"client-certificate": "x"}),
            "user 'c' in .*: client-certificate and client-key .* give both",
        ),
        (kubeconfig(user={"client-key-data": b64("x")}), "give both"),
        (kubeconfig(user={"as-groups": ["x"]}), "need a user to impersonate: set 'as'"),
        (kubeconfig(user={"exec": EXEC, "auth-provider": {"name": "oidc"}}), "exec and auth-provider exclude"),
        (kubeconfig(user={"exec": "x"}), "exec must be a mapping"),
        (kubeconfig(user={"exec": EXEC | {"command": ""}}), r"user 'c'\.exec in .*: command is missing"),
        (kubeconfig(user={"exec": EXEC | {"apiVersion": "v1alpha1"}}), "'v1alpha1' is not supported: use client"),
        (kubeconfig(user={"exec": EXEC | {"interactiveMode": None}}), "interactiveMode is missing: set it to one of"),
        (kubeconfig(user={"exec": EXEC | {"interactiveMode": "Often"}}), "'Often' is not one of Never, IfAvailable"),
    ],
)
def test_errors_name_the_entry_the_file_and_the_way_out(write: Any, document: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load_files([write(document)])
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"cannot read the kubeconfig file {tmp_path}: Is a directory"):
        load_files([tmp_path])


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "config").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="is not valid YAML"):
        load_files([tmp_path / "config"])
