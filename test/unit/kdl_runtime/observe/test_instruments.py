"""Our own instruments beside prometheus-client's: the same moves, the same exposition."""

import prometheus_client
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from kdl_runtime.observe.instruments import CounterFamily, GaugeFamily, HistogramFamily

LABELS = ("controller", "result")
BOUNDS = (0.005, 0.5, 10.0)


def ours() -> bytes:
    registry = CollectorRegistry()
    counter = CounterFamily("reconciles", "How many.", LABELS)
    gauge = GaugeFamily("depth", "How deep.")
    histogram = HistogramFamily("seconds", "How long.", ("controller",), BOUNDS)
    for family in (counter, gauge, histogram):
        registry.register(family)
    counter.labels("a", "success").inc()
    counter.labels(controller="a", result="success").inc(2)
    counter.labels("a", result='"quoted"').inc(0)
    gauge.labels().set(5)
    gauge.labels().inc(2)
    gauge.labels().dec()
    for value in (0.001, 0.005, 0.3, 10.0, 11.0):
        histogram.labels("a").observe(value)
    return generate_latest(registry)


def theirs() -> bytes:
    registry = CollectorRegistry()
    counter = prometheus_client.Counter("reconciles", "How many.", LABELS, registry=registry)
    gauge = prometheus_client.Gauge("depth", "How deep.", registry=registry)
    histogram = prometheus_client.Histogram("seconds", "How long.", ("controller",), buckets=BOUNDS, registry=registry)
    counter.labels("a", "success").inc(3)
    counter.labels("a", '"quoted"').inc(0)
    gauge.set(6)
    for value in (0.001, 0.005, 0.3, 10.0, 11.0):
        histogram.labels("a").observe(value)
    return generate_latest(registry)


def test_the_exposition_is_that_of_prometheus_client() -> None:
    created = (b"reconciles_created", b"seconds_created")
    expected = [line for line in theirs().splitlines() if not any(name in line for name in created)]
    assert ours().splitlines() == expected
    assert b'seconds_bucket{controller="a",le="0.005"} 2.0' in expected


def test_a_gauge_may_be_asked_for_when_somebody_looks() -> None:
    family, values = GaugeFamily("depth", "How deep."), [1.0]
    family.labels().set_function(lambda: sum(values))
    values.append(2.0)
    assert family.labels().value == 3.0


def test_a_family_without_instruments_is_shown_and_its_name_is_taken() -> None:
    registry = CollectorRegistry()
    registry.register(CounterFamily("reconciles", "How many.", LABELS))
    assert b"# TYPE reconciles_total counter" in generate_latest(registry)
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        prometheus_client.Counter("reconciles", "Again.", registry=registry)


@pytest.mark.parametrize(("values", "named"), [(("a",), {}), (("a", "b", "c"), {}), (("a", "b"), {"result": "b"})])
def test_every_label_needs_one_value(values: tuple[str, ...], named: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="reconciles has the labels controller, result: give each a value"):
        CounterFamily("reconciles", "How many.", LABELS).labels(*values, **named)


def test_a_name_that_is_no_label_is_refused() -> None:
    with pytest.raises(ValueError, match=r"depth has the labels \(none\)"):
        GaugeFamily("depth", "How deep.").labels(priority="1")
