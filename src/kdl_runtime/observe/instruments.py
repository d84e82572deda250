"""Counters, gauges and histograms for the way of an event, where each of them is moved some ten times.

They cost a fraction of prometheus-client's own, which take a lock for each move and look through all buckets. The
price: an instrument is moved from one thread only. It may be read from any. The exposition stays prometheus-client's.
"""

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Generic, TypeVar

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.utils import floatToGoString


class Counter:
    """Only ever grows."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def inc(self, amount: float = 1.0) -> None:
        self.value += amount


class Gauge:
    """Goes up and down, or is asked for when somebody looks."""

    __slots__ = ("_read", "_value")

    def __init__(self) -> None:
        self._value = 0.0
        self._read: Callable[[], float] | None = None

    @property
    def value(self) -> float:
        return self._value if self._read is None else float(self._read())

    def inc(self, amount: float = 1.0) -> None:
        self._value += amount

    def dec(self, amount: float = 1.0) -> None:
        self._value -= amount

    def set(self, value: float) -> None:
        self._value = value

    def set_function(self, read: Callable[[], float]) -> None:
        """``read`` gives the value from now on, in whatever thread looks at it."""
        self._read = read


class Histogram:
    """How many observations fell into each bucket, and their sum. ``bounds`` are the upper ends, smallest first; there
    is one more for what is above all of them."""

    __slots__ = ("_bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self._bounds, value)] += 1
        self.sum += value


T = TypeVar("T")


class Family(ABC, Generic[T]):
    """The instruments of one name, told apart by their labels; a collector for a registry of prometheus-client."""

    def __init__(self, name: str, text: str, label_names: Sequence[str] = ()) -> None:
        self.name = name
        self.label_names = tuple(label_names)
        self._text = text
        self._instruments: dict[tuple[str, ...], T] = {}

    def labels(self, *values: str, **named: str) -> T:
        """The instrument with these labels, made if there is none. ValueError unless each label has one value."""
        if named:
            values = (*values, *(named.pop(name) for name in self.label_names[len(values) :] if name in named))
        if named or len(values) != len(self.label_names):
            raise ValueError(f"{self.name} has the labels {', '.join(self.label_names) or '(none)'}: give each a value")
        instrument = self._instruments.get(values)
        if instrument is None:
            instrument = self._instruments[values] = self._make()
        return instrument

    def describe(self) -> Iterator[Metric]:
        """For the registry, which takes each name once."""
        yield self._exposed(())

    def collect(self) -> Iterator[Metric]:
        yield self._exposed(list(self._instruments.items()))

    @abstractmethod
    def _make(self) -> T: ...

    @abstractmethod
    def _exposed(self, instruments: Iterable[tuple[Sequence[str], T]]) -> Metric: ...


class CounterFamily(Family[Counter]):
    """Shown with the suffix ``_total``."""

    def _make(self) -> Counter:
        return Counter()

    def _exposed(self, instruments: Iterable[tuple[Sequence[str], Counter]]) -> Metric:
        metric = CounterMetricFamily(self.name, self._text, labels=self.label_names)
        for labels, counter in instruments:
            metric.add_metric(labels, counter.value)
        return metric


class GaugeFamily(Family[Gauge]):
    def _make(self) -> Gauge:
        return Gauge()

    def _exposed(self, instruments: Iterable[tuple[Sequence[str], Gauge]]) -> Metric:
        metric = GaugeMetricFamily(self.name, self._text, labels=self.label_names)
        for labels, gauge in instruments:
            metric.add_metric(labels, gauge.value)
        return metric


class HistogramFamily(Family[Histogram]):
    """``bounds``: the upper ends of the buckets but the last, which takes everything."""

    def __init__(self, name: str, text: str, label_names: Sequence[str], bounds: Sequence[float]) -> None:
        super().__init__(name, text, label_names)
        self._bounds = tuple(bounds)

    def _make(self) -> Histogram:
        return Histogram(self._bounds)

    def _exposed(self, instruments: Iterable[tuple[Sequence[str], Histogram]]) -> Metric:
        metric = HistogramMetricFamily(self.name, self._text, labels=self.label_names)
        ends = [*map(floatToGoString, self._bounds), "+Inf"]
        for labels, histogram in instruments:
            buckets = list(zip(ends, accumulate(histogram.counts), strict=True))
            metric.add_metric(labels, buckets, histogram.sum)
        return metric
