"""The manifests as kubectl puts them together, once for all tests that run in the same process: these are in one group,
``GROUP``, for it takes longer than all that is asked of them."""

import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from kdl_runtime.codec import yaml

DEPLOY = Path(__file__).parents[3] / "deploy"
KUBECTL = Path(sys.executable).parent / "kubectl"
GROUP = pytest.mark.xdist_group("manifests")

Object = dict[str, Any]


@cache
def built(directory: Path) -> list[Object]:
    """The objects of a kustomization, in the order in which they are applied. All tests share them."""
    return _kustomize(directory)


@cache
def with_components(*names: str) -> list[Object]:
    """As a kustomization of one's own would be, beside the manifests. All tests share the objects."""
    text = {"resources": ["../deploy"], "components": [f"../deploy/{name}" for name in names]}
    with tempfile.TemporaryDirectory() as made:
        directory = Path(made)
        (directory / "own").mkdir()
        (directory / "own" / "kustomization.yaml").write_text(yaml.encode(text))
        (directory / "deploy").symlink_to(DEPLOY)
        return _kustomize(directory / "own", "--load-restrictor", "LoadRestrictionsNone")


def _kustomize(directory: Path, *options: str) -> list[Object]:
    # In a process as short as this one Go's garbage collector takes half of the time.
    environment = {**os.environ, "GOGC": "400"}
    done = subprocess.run(
        [KUBECTL, "kustomize", directory, *options], capture_output=True, text=True, check=False, env=environment
    )
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
