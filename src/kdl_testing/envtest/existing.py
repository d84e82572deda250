"""A cluster that is there already, for tests that are to run on it instead of on one of their own.

As with Go's envtest, ``USE_EXISTING_CLUSTER=true`` says so and ``KUBECONFIG`` says which one.
"""

import itertools
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from kdl_runtime.transport.config import ClusterConfig
from kdl_runtime.transport.kubeconfig import load_config
from kdl_testing.envtest import users
from kdl_testing.envtest.cluster import Cluster
from kdl_testing.envtest.control_plane import ControlPlane
from kdl_testing.envtest.options import ControlPlaneOptions

VARIABLE = "USE_EXISTING_CLUSTER"


def wants_existing(environ: Mapping[str, str] | None = None) -> bool:
    """ValueError for a value that is neither true nor false."""
    value = (os.environ if environ is None else environ).get(VARIABLE, "").strip().lower()
    if value not in ("", "true", "false", "1", "0"):
        raise ValueError(f"{VARIABLE} is {value!r}: set it to true or false")
    return value in ("true", "1")


class ExistingCluster(Cluster):
    """In ``with``. It starts and stops nothing, and what tests make in the cluster stays there.

    ``kubeconfig`` names a file, otherwise KUBECONFIG and its defaults are followed. ``crds`` are installed first.
    ConfigError if there is no configuration.
    """

    def __init__(self, kubeconfig: Path | None = None, crds: Sequence[Path] = ()) -> None:
        self._config = load_config(str(kubeconfig) if kubeconfig else None)
        self._crds = crds
        self._directory: Path | None = None
        self._numbers = itertools.count()

    def __enter__(self) -> Self:
        self._directory = Path(tempfile.mkdtemp(prefix="kdl-envtest-"))
        try:
            self.install_crds(self._crds)
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    def _remove(self) -> None:
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None

    @property
    def config(self) -> ClusterConfig:
        return self._config

    @property
    def kubeconfig(self) -> Path:
        """A copy that holds the context which is used, whatever files it is merged from."""
        path = self._files / "kubeconfig"
        return path if path.exists() else users.write(path, self._config)

    def user(self, name: str, groups: Sequence[str] = ()) -> Path:
        """By impersonation, since the authority of the cluster's certificates is not at hand."""
        config = users.impersonating(self._config, name, tuple(groups))
        return users.write(self.new_kubeconfig_path(name), config)

    def new_kubeconfig_path(self, name: str) -> Path:
        return self._files / f"{next(self._numbers)}.kubeconfig"

    @property
    def _files(self) -> Path:
        if self._directory is None:
            raise RuntimeError("the cluster is used outside of its with block")
        return self._directory


def running(options: ControlPlaneOptions | None = None) -> Cluster:
    """A cluster to be used in ``with``: the one that KUBECONFIG names if USE_EXISTING_CLUSTER is true, else a control
    plane of these options. The CRDs of the options are installed in either."""
    options = options or ControlPlaneOptions()
    return ExistingCluster(crds=options.crds) if wants_existing() else ControlPlane(options)
