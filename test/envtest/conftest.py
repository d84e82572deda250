"""Real control planes. Without their binaries these tests are skipped: `make assets` gets them."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from kdl_testing.envtest import FAKE_CLUSTER, Cluster, ControlPlane, ControlPlaneOptions
from kdl_testing.envtest.assets import AssetsError, locate
from kdl_testing.envtest.options import CONTROLLER_MANAGER

pytest_plugins = ["kdl_testing.pytest_plugin"]


@pytest.fixture(scope="session", autouse=True)
def binaries() -> Mapping[str, Path]:
    try:
        return locate(FAKE_CLUSTER, report=print, fetch=False)
    except AssetsError as error:
        pytest.skip(f"there are no binaries of a real control plane: {error}")


@pytest.fixture(scope="session")
def control_plane_options() -> ControlPlaneOptions:
    """Autoscalers are looked at more often than every 15 s."""
    often = ["--horizontal-pod-autoscaler-sync-period=2s"]
    return ControlPlaneOptions(components=FAKE_CLUSTER, extra_args={CONTROLLER_MANAGER: often})


@pytest.fixture
def plane(binaries: Mapping[str, Path]) -> Iterator[ControlPlane]:
    """The API alone, for a test that does it harm."""
    with ControlPlane() as plane:
        yield plane


@pytest.fixture(scope="session")
def fake_cluster(real_control_plane: Cluster) -> Cluster:
    """With scheduler, controllers and two fake nodes."""
    real_control_plane.create_fake_nodes(2)
    return real_control_plane
