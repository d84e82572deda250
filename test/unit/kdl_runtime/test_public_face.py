"""The names that the package offers, and what importing them costs."""

import subprocess
import sys

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
    assert getattr(kdl_runtime, name).__name__ in (name, "ObjectKey")


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="module 'kdl_runtime' has no attribute 'Nothing'"):
        getattr(kdl_runtime, "Nothing")  # noqa: B009


def test_errors_and_codec_come_without_an_http_client() -> None:
    code = "import kdl_runtime.errors, kdl_runtime.codec.json, sys; sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
