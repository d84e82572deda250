"""The real binaries, wherever they are from, are the ones that the catalogue names."""

from pathlib import Path

import pytest

from kdl_testing.envtest.assets import AssetsError, locate, version_of
from kdl_testing.envtest.catalog import BINARIES


@pytest.mark.parametrize("name", BINARIES)
def test_a_binary_runs_and_says_its_version(name: str) -> None:
    path = _found(name)

    assert version_of(path) == (BINARIES[name].version, "")


def _found(name: str) -> Path:
    try:
        return locate([name], report=print, fetch=False)[name]
    except AssetsError as error:
        pytest.skip(str(error))
