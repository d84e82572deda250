"""The manifests as kubectl puts them together."""

import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from kdl_runtime.codec import yaml

DEPLOY = Path(__file__).parents[3] / "deploy"
KUBECTL = Path(sys.executable).parent / "kubectl"

Object = dict[str, Any]


@cache
def built(directory: Path = DEPLOY) -> list[Object]:
    """The objects of a kustomization, in the order in which they are applied. All tests share them."""
    done = subprocess.run([KUBECTL, "kustomize", directory], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [dict(item) for item in yaml.decode_all(done.stdout)]


def only(objects: list[Object], kind: str, name: str, namespace: str = "") -> Object:
    [found] = [
        item
        for item in objects
        if (item["kind"], item["metadata"]["name"]) == (kind, name)
        and (not namespace or item["metadata"].get("namespace") == namespace)
    ]
    return found


def rules(objects: list[Object], kind: str, name: str) -> list[Object]:
    found: list[Object] = only(objects, kind, name)["rules"]
    return found
