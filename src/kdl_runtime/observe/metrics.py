"""Metrics under the names and buckets of controller-runtime, so that its dashboards and alerts work unchanged.

Everything hangs on one ``Metrics`` object with a registry of its own: two managers in one process do not meet. What is
moved with every event is an instrument of our own (``instruments``), the rest is prometheus-client's.
Names without a model in controller-runtime start with ``kdl_runtime_``.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics_core import Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from kdl_runtime.observe import instruments
from kdl_runtime.observe.instruments import CounterFamily, GaugeFamily, HistogramFamily

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_UPPER_HALF_SECOND = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)
_UPPER_SECONDS = (0.6, 0.7, 0.8, 0.9, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5, 6, 7, 8, 9, 10)
RECONCILE_BUCKETS = (*_UPPER_HALF_SECOND, *_UPPER_SECONDS, 15, 20, 25, 30, 40, 50, 60)
"""Upper bounds in seconds of ``controller_runtime_reconcile_time_seconds``."""
WORKQUEUE_BUCKETS = (1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0, 1000.0)
"""Upper bounds in seconds of the two workqueue histograms: 10 ns, times ten, twelve of them."""
LAG_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0)

MAX_PRIORITY_LABELS = 25
"""Further priorities of a queue are counted under one label, or user-chosen priorities could fill the registry."""
EXCEEDED_CARDINALITY = "exceeded_cardinality_limit"


F = TypeVar("F", bound=instruments.Family[Any])


class _Collector(Protocol):
    def collect(self) -> Iterable[Metric]: ...


_TYPES_WITH_CREATED = frozenset({"counter", "histogram", "summary"})


class _WithoutCreated:
    """The registry without the ``_created`` samples that prometheus-client adds to each of its own metrics and Go's
    client does not have. A metric that somebody has named so stays."""

    def __init__(self, registry: _Collector) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            if metric.type in _TYPES_WITH_CREATED:
                added = f"{metric.name}_created"
                metric.samples = [sample for sample in metric.samples if sample.name != added]
            yield metric


@dataclass(frozen=True, slots=True)
class ControllerMetrics:
    """What one controller counts, bound to its label."""

    results: dict[str, instruments.Counter]
    """By result: success, error, requeue, requeue_after."""
    errors: instruments.Counter
    terminal_errors: instruments.Counter
    panics: instruments.Counter
    timeouts: instruments.Counter
    seconds: instruments.Histogram
    active_workers: instruments.Gauge


class QueueMetrics:
    """What one work queue counts, bound to its labels."""

    def __init__(self, metrics: "Metrics", name: str) -> None:
        labels = {"name": name, "controller": name}
        self._depth_family = metrics.workqueue_depth
        self._labels = labels
        self._depths: dict[int, instruments.Gauge] = {}
        self.adds = metrics.workqueue_adds.labels(**labels)
        self.retries = metrics.workqueue_retries.labels(**labels)
        self.queue_seconds = metrics.workqueue_queue_seconds.labels(**labels)
        self.work_seconds = metrics.workqueue_work_seconds.labels(**labels)
        self._unfinished = metrics.workqueue_unfinished_seconds.labels(**labels)
        self._longest = metrics.workqueue_longest_seconds.labels(**labels)

    def depth(self, priority: int) -> instruments.Gauge:
        """How many keys of this priority are ready and not yet handed out."""
        gauge = self._depths.get(priority)
        if gauge is not None:
            return gauge
        if len(self._depths) >= MAX_PRIORITY_LABELS:
            return self._depth_family.labels(**self._labels, priority=EXCEEDED_CARDINALITY)
        return self._depths.setdefault(priority, self._depth_family.labels(**self._labels, priority=str(priority)))

    def observe_unfinished(self, ages: Callable[[], Iterable[float]]) -> None:
        """``ages`` gives, at scrape time, the seconds that each key in work has been there."""
        self._unfinished.set_function(lambda: sum(ages()))
        self._longest.set_function(lambda: max(ages(), default=0.0))


class WatchMetrics:
    """What one watch counts, bound to its labels."""

    def __init__(self, metrics: "Metrics", resource: str, watch: str) -> None:
        self._families = metrics
        self._labels = (resource, watch)
        self._children: dict[tuple[str, str], instruments.Counter] = {}
        self.undecodable = metrics.undecodable_objects.labels(resource, watch)
        self.lag = metrics.watch_lag.labels(resource, watch)

    def events(self, type_: str) -> instruments.Counter:
        return self._child(self._families.watch_events, "event", type_)

    def lists(self, mode: str) -> instruments.Counter:
        """``mode`` is stream or list."""
        return self._child(self._families.watch_lists, "list", mode)

    def errors(self, reason: str) -> instruments.Counter:
        return self._child(self._families.watch_errors, "error", reason)

    def observe_store(self, count: Callable[[], int], size: Callable[[], int]) -> None:
        """``count`` gives, at scrape time, the number of objects in the store, and ``size`` the bytes of their JSON."""
        self._families.cache_objects.labels(*self._labels).set_function(count)
        self._families.cache_bytes.labels(*self._labels).set_function(size)

    def observe_silence(self, seconds: Callable[[], float]) -> None:
        """``seconds`` gives, at scrape time, how long the watch was told nothing."""
        self._families.watch_silence.labels(*self._labels).set_function(seconds)

    def _child(self, family: CounterFamily, kind: str, value: str) -> instruments.Counter:
        child = self._children.get((kind, value))
        if child is None:
            child = self._children[kind, value] = family.labels(*self._labels, value)
        return child


class Metrics:
    """Every metric of one manager.

    ``process`` adds the standard metrics of the process, the interpreter and its garbage collector, which all managers
    of one process share: leave it off in tests.
    """

    def __init__(self, *, process: bool = False) -> None:
        self.registry = registry = CollectorRegistry()
        if process:
            ProcessCollector(registry=registry)
            PlatformCollector(registry=registry)
            GCCollector(registry=registry)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(name, text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(name, text, labels, buckets=buckets, registry=registry)

        def hot_counter(name: str, text: str, *labels: str) -> CounterFamily:
            return added(CounterFamily(name, text, labels))

        def hot_gauge(name: str, text: str, *labels: str) -> GaugeFamily:
            return added(GaugeFamily(name, text, labels))

        def hot_histogram(name: str, text: str, bounds: tuple[float, ...], *labels: str) -> HistogramFamily:
            return added(HistogramFamily(name, text, labels, bounds))

        def added(family: F) -> F:
            registry.register(family)
            return family

        runtime = "controller_runtime"
        self.reconciles = hot_counter(f"{runtime}_reconcile", "Reconciliations.", "controller", "result")
        self.reconcile_errors = hot_counter(f"{runtime}_reconcile_errors", "Failed reconciliations.", "controller")
        self.terminal_errors = hot_counter(
            f"{runtime}_terminal_reconcile_errors", "Failures that are not tried again.", "controller"
        )
        self.panics = hot_counter(f"{runtime}_reconcile_panics", "Reconciliations ended by no Exception.", "controller")
        self.timeouts = hot_counter(
            f"{runtime}_reconcile_timeouts", "Reconciliations that ran out of time.", "controller"
        )
        self.reconcile_seconds = hot_histogram(
            f"{runtime}_reconcile_time_seconds", "Length of a reconciliation.", RECONCILE_BUCKETS, "controller"
        )
        self.max_concurrent = gauge(f"{runtime}_max_concurrent_reconciles", "Workers of the controller.", "controller")
        self.active_workers = hot_gauge(f"{runtime}_active_workers", "Workers that reconcile now.", "controller")

        queue = ("name", "controller")
        self.workqueue_depth = hot_gauge("workqueue_depth", "Keys that are ready.", *queue, "priority")
        self.workqueue_adds = hot_counter("workqueue_adds", "Keys added.", *queue)
        self.workqueue_retries = hot_counter("workqueue_retries", "Keys added with a delay.", *queue)
        self.workqueue_queue_seconds = hot_histogram(
            "workqueue_queue_duration_seconds", "How long a key was ready.", WORKQUEUE_BUCKETS, *queue
        )
        self.workqueue_work_seconds = hot_histogram(
            "workqueue_work_duration_seconds", "How long a key was in work.", WORKQUEUE_BUCKETS, *queue
        )
        self.workqueue_unfinished_seconds = hot_gauge(
            "workqueue_unfinished_work_seconds", "Sum of the ages of the keys in work.", *queue
        )
        self.workqueue_longest_seconds = hot_gauge(
            "workqueue_longest_running_processor_seconds", "Age of the oldest key in work.", *queue
        )

        self.rest_requests = counter("rest_client_requests", "Requests to the API server.", "code", "method", "host")

        self.leader_status = gauge("leader_election_master_status", "1 while this process leads.", "name")
        self.leader_slow_path = counter(
            "leader_election_slowpath", "Renewals that took more than the usual one request.", "name"
        )

        self.webhook_seconds = histogram(
            f"{runtime}_webhook_latency_seconds", "Length of a webhook's answer.", Histogram.DEFAULT_BUCKETS, "webhook"
        )
        self.webhook_requests = counter(f"{runtime}_webhook_requests", "Answered webhook requests.", "webhook", "code")
        self.webhook_in_flight = gauge(f"{runtime}_webhook_requests_in_flight", "Webhook requests in work.", "webhook")
        self.webhook_panics = counter(f"{runtime}_webhook_panics", "Admission functions ended by a fault.")
        self.conversion_panics = counter(
            f"{runtime}_conversion_webhook_panics", "Conversion functions ended by a fault."
        )
        self.certificate_reads = counter("certwatcher_read_certificate", "Reads of certificate files.")
        self.certificate_read_errors = counter("certwatcher_read_certificate_errors", "Reads that failed.")

        own = "kdl_runtime"
        self.cache_objects = gauge(f"{own}_cache_objects", "Objects in the cache.", "resource", "watch")
        self.cache_bytes = gauge(
            f"{own}_cache_bytes", "JSON in the cache; projections come on top.", "resource", "watch"
        )
        self.watch_silence = gauge(
            f"{own}_watch_silence_seconds",
            "Time since the last list, event or bookmark.",
            "resource",
            "watch",
        )
        self.consistency_waits = hot_counter(
            f"{own}_consistency_waits", "Reconciliations that asked what became of a write.", "result"
        )
        self.watch_events = hot_counter(f"{own}_watch_events", "Events of a watch.", "resource", "watch", "type")
        self.watch_lists = hot_counter(f"{own}_watch_lists", "Complete lists of a watch.", "resource", "watch", "mode")
        self.watch_errors = hot_counter(f"{own}_watch_errors", "Failures of a watch.", "resource", "watch", "reason")
        self.undecodable_objects = counter(
            f"{own}_undecodable_objects", "Objects that a watch could not decode and left out.", "resource", "watch"
        )
        self.watch_lag = hot_histogram(
            f"{own}_watch_lag_seconds",
            "From an own write to its event.",
            LAG_BUCKETS,
            "resource",
            "watch",
        )
        self.certificate_expiry = gauge(
            f"{own}_certificate_expiration_timestamp_seconds",
            "When a self-issued certificate ends, Unix time.",
            "server",
        )
        self.events_emitted = counter(f"{own}_events", "Events for users, by fate.", "result")
        self.loop_lag = histogram(f"{own}_event_loop_lag_seconds", "How late the event loop wakes up.", LAG_BUCKETS)
        self.loop_stalls = counter(f"{own}_event_loop_stalls", "Times that the event loop stood still for too long.")

    def for_controller(self, name: str, workers: int) -> ControllerMetrics:
        """The metrics of one controller, all present with 0 from now on."""
        self.max_concurrent.labels(name).set(workers)
        results = ("success", "error", "requeue", "requeue_after")
        return ControllerMetrics(
            results={result: self.reconciles.labels(name, result) for result in results},
            errors=self.reconcile_errors.labels(name),
            terminal_errors=self.terminal_errors.labels(name),
            panics=self.panics.labels(name),
            timeouts=self.timeouts.labels(name),
            seconds=self.reconcile_seconds.labels(name),
            active_workers=self.active_workers.labels(name),
        )

    def for_queue(self, name: str) -> QueueMetrics:
        return QueueMetrics(self, name)

    def for_watch(self, resource: str, watch: str) -> WatchMetrics:
        return WatchMetrics(self, resource, watch)

    def count_request(self, code: str, method: str, host: str) -> None:
        """One answered request; ``code`` is the HTTP status, or ``<error>`` when there was no answer."""
        self.rest_requests.labels(code, method, host).inc()

    def render(self) -> bytes:
        """The text exposition format (``CONTENT_TYPE``). Reads only: may run in a thread."""
        return generate_latest(_WithoutCreated(self.registry))

    def value(self, name: str, /, **labels: str) -> float | None:
        """One sample, for tests: ``value("workqueue_adds_total", name="job", controller="job")``."""
        return self.registry.get_sample_value(name, labels)
