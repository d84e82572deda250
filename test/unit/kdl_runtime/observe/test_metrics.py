import re
from collections.abc import Iterator
from itertools import pairwise

import pytest
from prometheus_client import Histogram
from prometheus_client.core import UnknownMetricFamily
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from kdl_runtime.observe.instruments import Family
from kdl_runtime.observe.metrics import RECONCILE_BUCKETS, WORKQUEUE_BUCKETS, Metrics

CONTROLLER = ("controller",)
QUEUE = ("name", "controller")
WATCH = ("resource", "watch")

OF_CONTROLLER_RUNTIME = {
    # Name in the exposition: type and labels, as controller-runtime, client-go and their dashboards have them.
    "controller_runtime_reconcile_total": ("counter", ("controller", "result")),
    "controller_runtime_reconcile_errors_total": ("counter", CONTROLLER),
    "controller_runtime_terminal_reconcile_errors_total": ("counter", CONTROLLER),
    "controller_runtime_reconcile_panics_total": ("counter", CONTROLLER),
    "controller_runtime_reconcile_timeouts_total": ("counter", CONTROLLER),
    "controller_runtime_reconcile_time_seconds": ("histogram", CONTROLLER),
    "controller_runtime_max_concurrent_reconciles": ("gauge", CONTROLLER),
    "controller_runtime_active_workers": ("gauge", CONTROLLER),
    "controller_runtime_webhook_latency_seconds": ("histogram", ("webhook",)),
    "controller_runtime_webhook_requests_total": ("counter", ("webhook", "code")),
    "controller_runtime_webhook_requests_in_flight": ("gauge", ("webhook",)),
    "controller_runtime_webhook_panics_total": ("counter", ()),
    "controller_runtime_conversion_webhook_panics_total": ("counter", ()),
    "workqueue_depth": ("gauge", (*QUEUE, "priority")),
    "workqueue_adds_total": ("counter", QUEUE),
    "workqueue_retries_total": ("counter", QUEUE),
    "workqueue_queue_duration_seconds": ("histogram", QUEUE),
    "workqueue_work_duration_seconds": ("histogram", QUEUE),
    "workqueue_unfinished_work_seconds": ("gauge", QUEUE),
    "workqueue_longest_running_processor_seconds": ("gauge", QUEUE),
    "rest_client_requests_total": ("counter", ("code", "method", "host")),
    "leader_election_master_status": ("gauge", ("name",)),
    "leader_election_slowpath_total": ("counter", ("name",)),
    "certwatcher_read_certificate_total": ("counter", ()),
    "certwatcher_read_certificate_errors_total": ("counter", ()),
}

OUR_OWN = {
    "kdl_runtime_cache_objects": ("gauge", WATCH),
    "kdl_runtime_watch_events_total": ("counter", (*WATCH, "type")),
    "kdl_runtime_watch_lists_total": ("counter", (*WATCH, "mode")),
    "kdl_runtime_watch_errors_total": ("counter", (*WATCH, "reason")),
    "kdl_runtime_undecodable_objects_total": ("counter", WATCH),
    "kdl_runtime_watch_lag_seconds": ("histogram", WATCH),
    "kdl_runtime_events_total": ("counter", ("result",)),
    "kdl_runtime_event_loop_lag_seconds": ("histogram", ()),
    "kdl_runtime_event_loop_stalls_total": ("counter", ()),
}


def names(metrics: Metrics) -> set[str]:
    return set(re.findall(r"^# TYPE (\S+) ", metrics.render().decode(), re.MULTILINE))


def families(metrics: Metrics) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Name in the exposition, type and labels of each, whether it has samples yet or not."""
    found = {}
    for family in vars(metrics).values():
        if isinstance(family, MetricWrapperBase):
            suffix = "_total" if family._type == "counter" else ""
            found[family._name + suffix] = (str(family._type), tuple(family._labelnames))
        elif isinstance(family, Family):
            metric = next(family.describe())
            suffix = "_total" if metric.type == "counter" else ""
            found[family.name + suffix] = (metric.type, family.label_names)
    return found


def test_names_types_and_labels_are_those_of_controller_runtime() -> None:
    found = families(Metrics())
    assert {name: found.get(name) for name in OF_CONTROLLER_RUNTIME} == OF_CONTROLLER_RUNTIME


def test_what_is_our_own_says_so() -> None:
    found = families(Metrics())
    own = {name: found[name] for name in found.keys() - OF_CONTROLLER_RUNTIME.keys()}
    assert [name for name in own if not name.startswith("kdl_runtime_")] == []
    assert {name: own.get(name) for name in OUR_OWN} == OUR_OWN


def test_the_exposition_shows_every_family() -> None:
    metrics = Metrics()
    assert names(metrics) == set(families(metrics))


def test_buckets_are_those_of_controller_runtime() -> None:
    assert len(RECONCILE_BUCKETS) == 40
    assert (RECONCILE_BUCKETS[0], RECONCILE_BUCKETS[-1]) == (0.005, 60)
    assert list(RECONCILE_BUCKETS) == sorted(RECONCILE_BUCKETS)
    assert len(WORKQUEUE_BUCKETS) == 12
    assert WORKQUEUE_BUCKETS[0] == 1e-8
    assert all(after == pytest.approx(10 * before) for before, after in pairwise(WORKQUEUE_BUCKETS))


def test_priorities_beyond_the_twenty_fifth_share_a_label() -> None:
    metrics = Metrics()
    queue = metrics.for_queue("c")
    for priority in range(40):
        queue.depth(priority).inc()
    queue.depth(3).dec()
    queue.depth(39).dec()

    def depth(priority: str) -> float | None:
        return metrics.value("workqueue_depth", name="c", controller="c", priority=priority)

    assert [depth(str(priority)) for priority in range(40)] == [1, 1, 1, 0] + [1] * 21 + [None] * 15
    assert depth("exceeded_cardinality_limit") == 14


def test_the_ages_of_keys_in_work_are_read_when_they_are_asked_for() -> None:
    metrics = Metrics()
    ages: list[float] = []
    metrics.for_queue("c").observe_unfinished(lambda: ages)

    def value(name: str) -> float | None:
        return metrics.value(f"workqueue_{name}", name="c", controller="c")

    assert (value("unfinished_work_seconds"), value("longest_running_processor_seconds")) == (0, 0)
    ages += [3.0, 5.0]
    assert (value("unfinished_work_seconds"), value("longest_running_processor_seconds")) == (8, 5)


def test_a_controller_has_all_its_results_from_the_start() -> None:
    metrics = Metrics()
    metrics.for_controller("c", 4)
    for result in ("success", "error", "requeue", "requeue_after"):
        assert metrics.value("controller_runtime_reconcile_total", controller="c", result=result) == 0
    assert metrics.value("controller_runtime_max_concurrent_reconciles", controller="c") == 4


def test_the_exposition_has_no_created_series() -> None:
    metrics = Metrics()
    metrics.count_request("200", "GET", "host")
    text = metrics.render().decode()
    assert 'rest_client_requests_total{code="200",host="host",method="GET"} 1.0' in text
    assert "_created" not in text


def test_a_metric_that_is_named_created_is_shown() -> None:
    class Jobs(Collector):
        def collect(self) -> Iterator[Metric]:
            family = UnknownMetricFamily("jobs_created", "Jobs.", labels=["kind"])
            family.add_metric(["a"], 3)
            yield family

    metrics = Metrics()
    metrics.registry.register(Jobs())
    Histogram("pods_created", "Pods.", registry=metrics.registry)
    text = metrics.render().decode()
    assert 'jobs_created{kind="a"} 3.0' in text
    assert "pods_created_count 0.0" in text
    assert "pods_created_created" not in text


def test_two_managers_in_one_process_do_not_meet() -> None:
    first, second = Metrics(process=True), Metrics(process=True)
    first.count_request("200", "GET", "host")
    assert second.value("rest_client_requests_total", code="200", method="GET", host="host") is None
    assert "process_cpu_seconds_total" in names(second)


def test_a_watch_counts_its_objects_at_scrape_time() -> None:
    metrics = Metrics()
    objects: list[int] = []
    metrics.for_watch("pods", "ours").observe_store(objects.__len__, lambda: 0)
    objects.extend((1, 2))
    assert metrics.value("kdl_runtime_cache_objects", resource="pods", watch="ours") == 2
