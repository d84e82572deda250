"""Jobs counted by what happens to them: one count, shown under KubeDL's names and under those of Kubeflow's training
operator."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from kdl_workloads.engine.transitions import Transition

MAX_NAMESPACES = 1000
"""Further ones are counted under ``OTHER``: a cluster that makes a namespace for each run would fill the memory."""
OTHER = "(other)"

_HELP = {
    Transition.CREATED: "Counts number of jobs created",
    Transition.DELETED: "Counts number of jobs deleted",
    Transition.SUCCESSFUL: "Counts number of jobs successfully finished",
    Transition.FAILED: "Counts number of jobs failed",
    Transition.RESTARTED: "Counts number of jobs restarted",
}


class _PlainType(str):
    """A type of metric that prometheus-client shows as it is: to the name of what equals "counter" it adds _total,
    which KubeDL's counters do not have."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


_COUNTER = _PlainType("counter")


class JobCounts:
    """Counters by kind, namespace and transition, and gauges of the jobs that run and wait now.

    The gauges are shown once ``leading`` is set: of several operators only the one that works knows, and their sum is
    right.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.leading = False
        self.running: Counter[str] = Counter()
        self.pending: Counter[str] = Counter()
        self._counts: Counter[tuple[Transition, str, str]] = Counter()
        self._frameworks: dict[str, str] = {}
        self._namespaces: set[str] = set()
        registry.register(self)

    def add_kind(self, kind: str, framework: str) -> None:
        """Show the kind from now on, at 0; ``framework`` is what Kubeflow's metrics call it."""
        self._frameworks[kind] = framework

    def add(self, transition: Transition, kind: str, namespace: str) -> None:
        if namespace not in self._namespaces:
            if len(self._namespaces) >= MAX_NAMESPACES:
                namespace = OTHER
            self._namespaces.add(namespace)
        self._counts[transition, kind, namespace] += 1

    def describe(self) -> Iterator[Metric]:
        for transition in _HELP:
            yield self._of_kubedl(transition, {})
            yield self._of_kubeflow(transition, {})
        yield from self._gauges()

    def collect(self) -> Iterator[Metric]:
        counts = dict(self._counts)
        for transition in _HELP:
            yield self._of_kubedl(transition, counts)
            yield self._of_kubeflow(transition, counts)
        yield from self._gauges()

    def _of_kubedl(self, transition: Transition, counts: Mapping[tuple[Transition, str, str], int]) -> Metric:
        metric = Metric(f"kubedl_jobs_{transition}", _HELP[transition], "unknown")
        metric.type = _COUNTER
        sums: Counter[str] = Counter()
        for (of, kind, _), count in counts.items():
            sums[kind] += count * (of is transition)
        for kind in sorted(self._frameworks):
            metric.add_sample(metric.name, {"kind": kind.lower()}, sums[kind])
        return metric

    def _of_kubeflow(self, transition: Transition, counts: Mapping[tuple[Transition, str, str], int]) -> Metric:
        labels = ["job_namespace", "framework"]
        family = CounterMetricFamily(f"training_operator_jobs_{transition}", _HELP[transition], labels=labels)
        for (of, kind, namespace), count in sorted(counts.items()):
            if of is transition:
                family.add_metric([namespace, self._frameworks[kind]], count)
        return family

    def _gauges(self) -> Iterator[Metric]:
        texts: tuple[tuple[str, Mapping[str, Any]], ...] = (("running", self.running), ("pending", self.pending))
        for name, jobs in texts:
            gauge = GaugeMetricFamily(f"kubedl_jobs_{name}", f"Counts number of jobs {name} currently", labels=["kind"])
            for kind in sorted(self._frameworks) if self.leading else ():
                gauge.add_metric([kind.lower()], jobs[kind])
            yield gauge
