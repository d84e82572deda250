"""A Kubernetes control plane from the real binaries, as long as a test needs it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from kdl_testing.envtest.options import ControlPlaneOptions
from kdl_testing.envtest.process import Process


class ControlPlane:
    """Starts in ``with``, or by ``start``, and stops with everything that it has started."""

    def __init__(self, options: ControlPlaneOptions | None = None) -> None:
        self.options = options or ControlPlaneOptions()
        self.processes: dict[str, Process] = {}
        """The components by name, for tests that stop, kill and restart them."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Of the API server, such as https://127.0.0.1:12345."""
        raise NotImplementedError

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig that may do everything (group system:masters)."""
        raise NotImplementedError

    @property
    def directory(self) -> Path:
        raise NotImplementedError

    def start(self) -> None:
        """Starts every component and waits until all are ready."""
        raise NotImplementedError

    def stop(self) -> None:
        """Stops every component. Does nothing if none runs."""
        raise NotImplementedError

    def user(self, name: str, groups: Sequence[str] = ()) -> Path:
        """A kubeconfig with a client certificate of this user."""
        raise NotImplementedError

    def service_account(self, namespace: str, name: str, *, seconds: int = 3600) -> Path:
        """A kubeconfig with a token of this ServiceAccount."""
        raise NotImplementedError

    def install_crds(self, crds: Sequence[Path | Mapping[str, Any]]) -> None:
        """Installs CRDs from files, directories or objects, and waits until they are served."""
        raise NotImplementedError

    def create_fake_nodes(self, count: int, *, tainted: bool = False) -> list[str]:
        """Nodes that kwok plays. The names, once all are Ready."""
        raise NotImplementedError
