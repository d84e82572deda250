"""The kubeconfig of a local cluster."""

import base64
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdl_local.apiserver.certificates import KeyPair
from kdl_runtime.codec import yaml

NAME = "kdl-local"


@dataclass(frozen=True, slots=True)
class Access:
    """Where a cluster is and with what to prove who one is. ``server`` is a URL, ``authority`` a PEM certificate."""

    server: str
    authority: bytes
    client: KeyPair
    namespace: str = "default"


def kubeconfig(access: Access) -> dict[str, Any]:
    """A kubeconfig with one context and everything embedded, so that it may be moved."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": NAME,
                "cluster": {"server": access.server, "certificate-authority-data": _text(access.authority)},
            }
        ],
        "users": [
            {
                "name": NAME,
                "user": {
                    "client-certificate-data": _text(access.client.certificate),
                    "client-key-data": _text(access.client.key),
                },
            }
        ],
        "contexts": [
            {"name": NAME, "context": {"cluster": NAME, "user": NAME, "namespace": access.namespace}},
        ],
        "current-context": NAME,
    }


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def write_kubeconfig(path: Path, access: Access) -> None:
    """Writes the kubeconfig, see ``write_private``."""
    write_private(path, yaml.encode(kubeconfig(access)))


def write_private(path: Path, text: str) -> None:
    """Writes the file for its owner only (0600), replacing one that is there; a directory is made for it (0700).

    It is complete whenever it can be seen: whoever waits for it may read it at once.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
