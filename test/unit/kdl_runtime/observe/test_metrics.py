import re
from collections.abc import Iterator

from prometheus_client import Histogram
from prometheus_client.core import UnknownMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from kdl_runtime.observe.metrics import RECONCILE_BUCKETS, WORKQUEUE_BUCKETS, Metrics


def names(metrics: Metrics) -> set[str]:
    return set(re.findall(r"^# TYPE (\S+) ", metrics.render().decode(), re.MULTILINE))


def test_names_are_those_of_controller_runtime() -> None:
    assert names(Metrics()) >= {
        "controller_runtime_reconcile_total",
        "controller_runtime_reconcile_errors_total",
        "controller_runtime_terminal_reconcile_errors_total",
        "controller_runtime_reconcile_panics_total",
        "controller_runtime_reconcile_timeouts_total",
        "controller_runtime_reconcile_time_seconds",
        "controller_runtime_max_concurrent_reconciles",
        "controller_runtime_active_workers",
        "workqueue_depth",
        "workqueue_adds_total",
        "workqueue_retries_total",
        "workqueue_queue_duration_seconds",
        "workqueue_work_duration_seconds",
        "workqueue_unfinished_work_seconds",
        "workqueue_longest_running_processor_seconds",
        "rest_client_requests_total",
    }


def test_buckets_are_those_of_controller_runtime() -> None:
    assert len(RECONCILE_BUCKETS) == 40
    assert (RECONCILE_BUCKETS[0], RECONCILE_BUCKETS[-1]) == (0.005, 60)
    assert list(RECONCILE_BUCKETS) == sorted(RECONCILE_BUCKETS)
    assert len(WORKQUEUE_BUCKETS) == 12
    assert WORKQUEUE_BUCKETS[0] == 1e-8


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
    metrics.for_watch("pods", "ours").observe_objects(objects.__len__)
    objects.extend((1, 2))
    assert metrics.value("kdl_runtime_cache_objects", resource="pods", watch="ours") == 2
