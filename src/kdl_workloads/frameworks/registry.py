"""Which kinds of job there are, and which of them an operator runs.

Built-in kinds and those of other packages are found in one place. A package adds a kind by an entry point of the group
``kdl.workloads`` that names a ``Framework`` class or instance.
"""

import os
from collections.abc import Collection, Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points

from kdl_runtime.errors import KdlError
from kdl_runtime.types import Resource
from kdl_workloads.framework import Framework
from kdl_workloads.frameworks.elasticdl import ElasticDL
from kdl_workloads.frameworks.jax import JAX
from kdl_workloads.frameworks.mars import Mars
from kdl_workloads.frameworks.mpi import MPI
from kdl_workloads.frameworks.mxnet import MXNet
from kdl_workloads.frameworks.paddle import Paddle
from kdl_workloads.frameworks.pytorch import PyTorch
from kdl_workloads.frameworks.tensorflow import TensorFlow
from kdl_workloads.frameworks.xdl import XDL
from kdl_workloads.frameworks.xgboost import XGBoost

ENTRY_POINTS = "kdl.workloads"
CLUSTER_DOMAIN = "CUSTOM_CLUSTER_DOMAIN"
"""Variable of the operator's own environment with which the host names in TF_CONFIG end, as in KubeDL and Kubeflow."""
AGENT_IMAGE = "KDL_AGENT_IMAGE"
"""Variable with the image of the sidecar that starts the processes of MPIJobs."""
BUILT_IN: tuple[Framework, ...] = (
    PyTorch(),
    TensorFlow(os.environ.get(CLUSTER_DOMAIN, "")),
    XGBoost(),
    JAX(),
    Paddle(),
    MXNet(),
    XDL(),
    Mars(),
    ElasticDL(),
    MPI(os.environ.get(AGENT_IMAGE, ""), os.environ.get(CLUSTER_DOMAIN, "")),
)

AUTO = "auto"
ALL = "*"


class RegistryError(KdlError):
    """A plugin that cannot be used, or a selection of kinds that names an unknown one."""


def frameworks(plugins: Iterable[EntryPoint] | None = None) -> dict[str, Framework]:
    """Every framework by kind: the built-in ones, then those of ``plugins`` (None: of the installed packages).

    RegistryError names the entry point that does not load, is no framework, or takes a kind that is there already.
    """
    found = {framework.kind: framework for framework in BUILT_IN}
    for plugin in entry_points(group=ENTRY_POINTS) if plugins is None else plugins:
        framework = _load(plugin)
        if framework.kind in found:
            raise RegistryError(f"workload plugin {plugin.value}: kind {framework.kind} exists already")
        found[framework.kind] = framework
    return found


def _load(plugin: EntryPoint) -> Framework:
    try:
        loaded = plugin.load()
        framework: Framework = loaded() if isinstance(loaded, type) else loaded
    except Exception as error:
        raise RegistryError(f"workload plugin {plugin.value} does not load: {error}") from error
    missing = [name for name in _REQUIRED if not hasattr(framework, name)]
    if missing:
        raise RegistryError(f"workload plugin {plugin.value} lacks {', '.join(missing)}: see kdl_workloads.framework")
    return framework


_REQUIRED = ("kind", "plural", "singular", "replica_specs_field", "roles", "conventions", "cluster_env", "evaluate")


def enabled(
    selection: str, served: Collection[Resource], known: Mapping[str, Framework] | None = None
) -> list[tuple[Framework, str]]:
    """The kinds to run, as pairs of framework and apiVersion, for the value of ``--workloads``.

    ``auto`` (and the empty string): every kind whose CRD is served. ``*``: every kind. A list names kinds, in any case;
    ``-Kind`` takes one away wherever it stands, and a list of nothing but such is ``auto`` without them. Of a kind that
    is asked for by name or by ``*``, and of which no CRD is served, RegistryError says so, because its watch would
    fail; of a kind that is served in one API group only, that one is run. Of several versions of a group it is the
    stored one.
    """
    by_kind = frameworks() if known is None else known
    wanted, refused, everything, auto = _parse(selection, by_kind)
    pairs = []
    for kind, framework in by_kind.items():
        if kind in refused or not (auto or everything or kind in wanted):
            continue
        versions = [version for version in framework.stored_versions() if framework.resource(version) in served]
        if not versions and not auto:
            raise RegistryError(f"--workloads: the CRD of {kind} is not installed: apply the output of `kdl crds`")
        pairs += [(framework, version) for version in versions]
    return pairs


def _parse(selection: str, by_kind: Mapping[str, Framework]) -> tuple[set[str], set[str], bool, bool]:
    """Kinds wanted, kinds refused, whether all are wanted, whether the served ones are."""
    items = [item.strip() for item in selection.split(",") if item.strip()]
    refused = {_kind(item[1:], by_kind) for item in items if item.startswith("-")}
    positive = [item for item in items if not item.startswith("-")]
    auto = not positive or AUTO in positive
    wanted = {_kind(item, by_kind) for item in positive if item not in (AUTO, ALL)}
    return wanted, refused, ALL in positive, auto


def _kind(name: str, by_kind: Mapping[str, Framework]) -> str:
    for kind in by_kind:
        if kind.lower() == name.lower():
            return kind
    choice = ", ".join([AUTO, ALL, *by_kind])
    raise RegistryError(f"--workloads: unknown kind {name!r}: use {choice}, or -Kind to leave one out")
