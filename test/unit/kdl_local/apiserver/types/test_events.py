from typing import Any

import pytest

from kdl_local.apiserver import events

NEW: dict[str, Any] = {
    "apiVersion": "events.k8s.io/v1",
    "kind": "Event",
    "metadata": {"name": "e", "namespace": "ns"},
    "eventTime": "2026-01-31T12:00:00.000000Z",
    "reportingController": "kdl.io/operator",
    "reportingInstance": "kdl-1",
    "action": "Create",
    "reason": "JobCreated",
    "type": "Normal",
    "note": "hello",
    "regarding": {"kind": "Job", "name": "j", "namespace": "ns"},
}


def test_both_shapes_tell_the_same() -> None:
    core = events.CONVERSION.to_storage(NEW)
    assert core["apiVersion"] == "v1"
    assert core["involvedObject"] == NEW["regarding"]
    assert (core["message"], core["reportingComponent"]) == ("hello", "kdl.io/operator")
    assert events.CONVERSION.from_storage(core) == NEW


def test_deprecated_fields_of_the_new_shape_are_the_old_ones() -> None:
    core = {"apiVersion": "v1", "count": 3, "firstTimestamp": "a", "lastTimestamp": "b", "source": {"component": "c"}}
    assert events.CONVERSION.from_storage(core) == {
        "apiVersion": "events.k8s.io/v1",
        "deprecatedCount": 3,
        "deprecatedFirstTimestamp": "a",
        "deprecatedLastTimestamp": "b",
        "deprecatedSource": {"component": "c"},
    }


def test_a_complete_event_is_accepted() -> None:
    assert events.event_errors(NEW, None) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"eventTime": None}, "eventTime: Required value"),
        ({"action": ""}, "action: Required value"),
        ({"reportingController": ""}, "reportingController: Required value"),
        ({"reportingController": "a b"}, 'reportingController: Invalid value: "a b": name part must consist'),
        ({"reportingInstance": ""}, "reportingInstance: Required value"),
        ({"type": "Bad"}, 'type: Invalid value: "": has invalid value: Bad'),
        ({"note": "x" * 1025}, 'message: Invalid value: "": can have at most 1024 characters'),
        ({"reason": "x" * 129}, 'reason: Invalid value: "": can have at most 128 characters'),
        (
            {"regarding": {"kind": "Job"}},
            'involvedObject.namespace: Invalid value: "": does not match event.namespace',
        ),
    ],
)
def test_the_new_api_refuses(change: dict[str, Any], message: str) -> None:
    assert [str(error)[: len(message)] for error in events.event_errors({**NEW, **change}, None)] == [message]


def test_only_the_series_may_be_updated() -> None:
    assert events.event_errors({**NEW, "series": {"count": 2}}, NEW) == []
    assert [error.path for error in events.event_errors({**NEW, "note": "other"}, NEW)] == ["message"]


@pytest.mark.parametrize(
    ("namespace", "involved", "count"),
    [("ns", "ns", 0), ("ns", "other", 1), ("default", "", 0), ("ns", "", 1)],
)
def test_core_events_live_with_their_object(namespace: str, involved: str, count: int) -> None:
    event = {"metadata": {"namespace": namespace}, "involvedObject": {"namespace": involved}}
    assert len(events.core_event_errors(event, None)) == count
