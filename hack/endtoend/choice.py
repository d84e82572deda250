"""Which cluster a run takes: the one that KUBECONFIG names, kind's, one with kubelets of our own, or fake nodes."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from endtoend.cluster import Cluster
from endtoend.control_plane import FakeNodesCluster
from endtoend.nodes import Existing, Kind, OwnNodes
from endtoend.steps import StepError

AUTO = "auto"
KINDS = (AUTO, Existing.kind, Kind.kind, OwnNodes.kind, FakeNodesCluster.kind)
FAKE_NODES = 50


@dataclass(frozen=True)
class Choice:
    """``assets``: the binaries that ``make`` is to be given by name. ``told``: lines for people, why it is this one."""

    kind: str
    make: Callable[[Mapping[str, Path]], Cluster]
    assets: Sequence[str] = ()
    needs_images: bool = True
    told: Sequence[str] = ()


def choose(kind: str, environ: Mapping[str, str] | None = None) -> Choice:
    """StepError if a kind is asked for that cannot be had here."""
    kubeconfig = (os.environ if environ is None else environ).get("KUBECONFIG", "")
    if kind == Existing.kind or (kind == AUTO and kubeconfig):
        if not kubeconfig:
            raise StepError("--cluster existing: set KUBECONFIG to the cluster's kubeconfig")
        return Choice(Existing.kind, lambda _: Existing(Path(kubeconfig)), needs_images=False)
    if kind == FakeNodesCluster.kind:
        return _fake([])
    return _with_kubelets(kind)


def _with_kubelets(kind: str) -> Choice:
    """Of the kinds that fit, the first that can run here; if none can, and none was asked for, fake nodes."""
    told: list[str] = []
    for made in (Kind, OwnNodes):
        if kind not in (AUTO, made.kind):
            continue
        missing = made.missing()
        if not missing:
            return Choice(made.kind, lambda _, made=made: made(FAKE_NODES), made.assets, told=told)  # type: ignore[misc]
        told.append(f"no cluster of kind {made.kind} here: {missing}")
    if kind != AUTO:
        raise StepError(told[-1])
    return _fake([*told, "falling back to a control plane with fake nodes: no kubelet runs, and pods only seem to"])


def _fake(told: Sequence[str]) -> Choice:
    return Choice(
        FakeNodesCluster.kind,
        lambda binaries: FakeNodesCluster(binaries, FAKE_NODES),
        FakeNodesCluster.assets,
        needs_images=False,
        told=told,
    )
