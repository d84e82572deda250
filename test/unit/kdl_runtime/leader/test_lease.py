"""The record of a leader, and who may take it when."""

import pytest

from kdl_runtime.leader.lease import ElectionOptions, LeaseRecord, Observation, claim, released

ME = ElectionOptions("kdl-system", "operator", "me")
HELD = LeaseRecord("other", 15, "t1", "t2", 3)


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ({"lease_duration": 10.0}, "lease duration 10 s must be longer than the renew deadline 10 s"),
        (
            {"lease_duration": 0.9, "renew_deadline": 0.5, "retry_period": 0.1},
            "lease duration 0.9 s must be at least 1 s",
        ),
        ({"renew_deadline": 2.4}, "renew deadline 2.4 s must be longer than 1.2 times the retry period 2 s"),
        ({"retry_period": 0.0}, "retry period 0 s, and that more than 0"),
        ({"identity": ""}, "identity is empty"),
        ({"namespace": ""}, "namespace is empty"),
    ],
)
def test_times_that_cannot_work_together_are_refused(times: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ElectionOptions(**{"namespace": "n", "name": "l", "identity": "me", **times})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("current", "wanted"),
    [
        (None, LeaseRecord("me", 15, "now", "now", 0)),
        (HELD, LeaseRecord("me", 15, "now", "now", 4)),
        (LeaseRecord("", 1, "t1", "t2", 3), LeaseRecord("me", 15, "now", "now", 4)),
        (LeaseRecord("me", 15, "t1", "t2", 3), LeaseRecord("me", 15, "t1", "now", 3)),
    ],
    ids=["nobody's", "another's", "released", "mine"],
)
def test_claiming_counts_transitions_and_keeps_the_time_of_a_renewal(
    current: LeaseRecord | None, wanted: LeaseRecord
) -> None:
    assert claim(current, ME, "now") == wanted


def test_a_release_leaves_the_count_of_transitions() -> None:
    assert released(HELD, "now") == LeaseRecord("", 1, "now", "now", 3)


def test_a_record_survives_its_encoding() -> None:
    assert LeaseRecord.decode({"spec": HELD.encode()}) == HELD
    assert LeaseRecord.decode({"spec": {"holderIdentity": None}}) == LeaseRecord()
    assert LeaseRecord.decode({}) == LeaseRecord()


def test_a_lease_runs_out_when_it_has_not_changed_for_its_duration() -> None:
    first = Observation(LeaseRecord(), 0.0).updated(HELD, 100.0)
    assert first.expires == 115.0
    assert first.updated(HELD, 110.0).expires == 115.0
    renewed = first.updated(LeaseRecord("other", 15, "t1", "t3", 3), 110.0)
    assert renewed.expires == 125.0
    assert renewed.updated(released(HELD, "now"), 111.0).expires == 111.0
