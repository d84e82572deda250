"""The configuration of a program that runs in a pod: environment variables and the mounted service account."""

from collections.abc import Mapping
from pathlib import Path

from kdl_runtime.transport.config import ClusterConfig, ConfigError, Source, UserConfig

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


def in_cluster(environ: Mapping[str, str], directory: Path = SERVICE_ACCOUNT) -> ClusterConfig | None:
    """The pod's own cluster; None outside of a pod.

    Inside of a pod (KUBERNETES_SERVICE_HOST is set) whose service account is not mounted there is no way to go on:
    ConfigError.
    """
    host, port = environ.get("KUBERNETES_SERVICE_HOST", ""), environ.get("KUBERNETES_SERVICE_PORT", "")
    if not host or not port:
        return None
    token, ca, namespace = (directory / name for name in ("token", "ca.crt", "namespace"))
    if not token.is_file():
        raise ConfigError(
            f"this is a pod without a service account token in {directory}: "
            "set automountServiceAccountToken: true, or pass --kubeconfig"
        )
    return ClusterConfig(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        namespace=namespace.read_text().strip() if namespace.is_file() else "default",
        ca=Source(path=ca) if ca.is_file() else Source(),
        user=UserConfig(token_file=token),
    )
