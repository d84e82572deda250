"""The names that the package offers, and what importing them costs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import kdl_runtime
from kdl_runtime.client.client import Client
from kdl_runtime.errors import TerminalError
from kdl_runtime.types import Result


def test_names_are_the_things_themselves() -> None:
    assert kdl_runtime.Client is Client
    assert kdl_runtime.TerminalError is TerminalError
    assert kdl_runtime.Result is Result


@pytest.mark.parametrize("name", kdl_runtime.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(kdl_runtime, name) is not None


def test_type_checkers_are_told_the_same_names() -> None:
    tree = ast.parse(Path(kdl_runtime.__file__).read_text())
    (told,) = [node for node in tree.body if isinstance(node, ast.If)]
    imports = [node for node in told.body if isinstance(node, ast.ImportFrom)]
    found = {alias.name: f"{node.module}" for node in imports for alias in node.names}
    assert found == {name: f"kdl_runtime.{module}" for name, module in kdl_runtime._MODULES.items()}
    assert sorted(found) == sorted(kdl_runtime.__all__)


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="module 'kdl_runtime' has no attribute 'Nothing'"):
        getattr(kdl_runtime, "Nothing")  # noqa: B009


def test_errors_and_codec_come_without_an_http_client() -> None:
    code = "import kdl_runtime.errors, kdl_runtime.codec.json, sys; sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
