"""The configuration of a pod."""

from pathlib import Path

import pytest

from kdl_runtime.transport.config import ConfigError, Source
from kdl_runtime.transport.incluster import in_cluster

ENVIRON = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}


@pytest.mark.parametrize("environ", [{}, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, {"KUBERNETES_SERVICE_PORT": "443"}])
def test_outside_of_a_pod_there_is_none(environ: dict[str, str], tmp_path: Path) -> None:
    assert in_cluster(environ, tmp_path) is None


@pytest.mark.parametrize(
    ("host", "server"), [("10.0.0.1", "https://10.0.0.1:443"), ("fd00::1", "https://[fd00::1]:443")]
)
def test_a_mounted_service_account(tmp_path: Path, host: str, server: str) -> None:
    for name, content in (("token", "t"), ("ca.crt", "CA"), ("namespace", "team\n")):
        (tmp_path / name).write_text(content)
    config = in_cluster(ENVIRON | {"KUBERNETES_SERVICE_HOST": host}, tmp_path)
    assert config is not None
    assert (config.server, config.namespace) == (server, "team")
    assert config.ca == Source(path=tmp_path / "ca.crt")
    assert config.user.token_file == tmp_path / "token"


def test_namespace_and_authority_may_be_missing(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t")
    config = in_cluster(ENVIRON, tmp_path)
    assert config is not None
    assert (config.namespace, bool(config.ca)) == ("default", False)


def test_a_pod_without_token_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="set automountServiceAccountToken: true, or pass --kubeconfig"):
        in_cluster(ENVIRON, tmp_path)
