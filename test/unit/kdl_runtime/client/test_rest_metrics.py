"""What is measured of requests when it is asked for."""

from typing import Any

import pytest

from kdl_runtime.client.client import Client, Patch, PatchType
from kdl_runtime.client.rest_metrics import RestMetrics
from kdl_runtime.errors import BadRequest, ServiceUnavailable, TooManyRequests, TransportError
from kdl_runtime.observe.metrics import Metrics
from kdl_runtime.resources.registry import PODS
from kdl_runtime.types import ObjectKey

KEY = ObjectKey("n", "a")
POD = {"kind": "Pod", "metadata": {"namespace": "n", "name": "a"}}


def test_nothing_is_measured_by_default() -> None:
    text = Metrics().render().decode()
    assert "rest_client_requests_total" in text
    assert "rest_client_request_duration_seconds" not in text


async def test_durations_sizes_and_retries(client: Client, transport: Any, answer: Any) -> None:
    metrics = Metrics()
    client.details = RestMetrics(metrics.registry)

    def value(name: str, verb: str, **labels: str) -> float:
        return metrics.value(f"rest_client_{name}", verb=verb, host="k.example", **labels) or 0.0

    busy = answer(TooManyRequests("later"), headers={"retry-after": "1"})
    transport.answers = [busy, TransportError("reset"), answer(POD), answer(POD), answer(ServiceUnavailable("down"))]
    await client.get(PODS, KEY)
    await client.create(PODS, POD)
    with pytest.raises(ServiceUnavailable):
        async with client.watch(PODS):
            pass
    assert value("request_duration_seconds_count", "GET") == 4
    assert value("request_duration_seconds_sum", "GET") == 0, "pauses are not part of a request"
    assert value("request_size_bytes_sum", "POST") == len(transport.requests[3].body)
    assert value("response_size_bytes_count", "GET") == 2
    assert value("request_retries_total", "GET", code="429") == 1
    assert value("request_retries_total", "GET", code="<error>") == 1
    assert value("request_retries_total", "POST", code="429") == 0


@pytest.mark.parametrize(
    ("changed", "locked", "body"),
    [
        ({"spec": {"a": 1}}, False, None),
        ({"spec": {"a": 2}}, False, {"spec": {"a": 2}}),
        ({"spec": {"a": 1}}, True, None),
        ({"spec": {"a": 2}}, True, {"spec": {"a": 2}, "metadata": {"resourceVersion": "5"}}),
    ],
)
def test_merge_from(changed: dict[str, Any], locked: bool, body: Any) -> None:
    base = {"metadata": {"resourceVersion": "5"}, "spec": {"a": 1}}
    patch = Patch.merge_from(base, base | changed, locked=locked)
    assert patch == (None if body is None else Patch(PatchType.MERGE, body))


def test_a_locked_patch_needs_a_version() -> None:
    with pytest.raises(BadRequest, match="needs the resourceVersion"):
        Patch.merge_from({"a": 1}, {"a": 2}, locked=True)
