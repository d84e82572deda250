"""Metrics that have a series of their own for each job, as KubeDL's have. Their number is bounded: a job that is
deleted takes its series along, and beyond the bound the job that was observed first does."""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import HistogramMetricFamily, Metric
from prometheus_client.utils import floatToGoString

from kdl_runtime.observe.instruments import Histogram

MAX_JOBS = 50
"""Jobs that a metric has series of: a histogram of 12 buckets then has 750 lines."""


class JobLabels(NamedTuple):
    """``kind`` as in the object: KubeDL has it in lower case elsewhere, but not here."""

    kind: str
    name: str
    namespace: str
    uid: str


class JobHistogram:
    """A histogram with the labels kind, name, namespace and uid, and those of ``more``."""

    def __init__(
        self, registry: CollectorRegistry, name: str, text: str, bounds: Sequence[float], more: Sequence[str] = ()
    ) -> None:
        self._name = name
        self._text = text
        self._bounds = tuple(bounds)
        self._labels = (*JobLabels._fields, *more)
        self._jobs: dict[str, dict[tuple[str, ...], Histogram]] = {}
        registry.register(self)

    def observe(self, job: JobLabels, value: float, *more: str) -> None:
        series = self._jobs.setdefault(job.uid, {})
        series.setdefault((*job, *more), Histogram(self._bounds)).observe(value)
        if len(self._jobs) > MAX_JOBS:
            del self._jobs[next(iter(self._jobs))]

    def forget(self, uid: str) -> None:
        """The job of this UID is gone."""
        self._jobs.pop(uid, None)

    def describe(self) -> Iterator[Metric]:
        yield HistogramMetricFamily(self._name, self._text, labels=self._labels)

    def collect(self) -> Iterator[Metric]:
        family = HistogramMetricFamily(self._name, self._text, labels=self._labels)
        ends = [*map(floatToGoString, self._bounds), "+Inf"]
        for series in list(self._jobs.values()):
            for labels, histogram in list(series.items()):
                buckets = list(zip(ends, accumulate(histogram.counts), strict=True))
                family.add_metric(labels, buckets, histogram.sum)
        yield family
