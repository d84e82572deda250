"""Which of two states wins, as tables."""

import pytest

from kdl_runtime.cache.ownwrites import Pins, Tombstone, Tombstones, numeric, write_wins
from kdl_runtime.codec.meta import ObjectMeta
from kdl_runtime.types import ObjectKey

KEY = ObjectKey("ns", "a")


def meta(version: str, uid: str = "u") -> ObjectMeta:
    return ObjectMeta(name="a", namespace="ns", uid=uid, resource_version=version)


@pytest.mark.parametrize(
    ("text", "number"), [("12", 12), ("0", 0), ("", None), ("12a", None), ("-1", None), ("²", None)]
)
def test_numeric(text: str, number: int | None) -> None:
    assert numeric(text) == number


@pytest.mark.parametrize(
    ("written", "stored", "tombstone", "wins"),
    [
        pytest.param(meta("5"), None, None, True, id="a new object"),
        pytest.param(meta("5"), meta("4"), None, True, id="newer"),
        pytest.param(meta("5"), meta("5"), None, False, id="the same"),
        pytest.param(meta("5"), meta("6"), None, False, id="older"),
        pytest.param(meta("10"), meta("9"), None, True, id="numbers, not texts"),
        pytest.param(meta("x"), meta("4"), None, False, id="no number"),
        pytest.param(meta("5"), meta("x"), None, False, id="no number to compare with"),
        pytest.param(meta("5"), None, Tombstone("u", None, final=True), False, id="deleted"),
        pytest.param(meta("9"), None, Tombstone("u", 7, final=True), False, id="deleted, however new the answer"),
        pytest.param(meta("7"), None, Tombstone("u", 7), False, id="from before it left"),
        pytest.param(meta("9"), None, Tombstone("u", 7), True, id="back in the selection"),
        pytest.param(meta("5"), None, Tombstone("old", 7), False, id="older than the deletion of its predecessor"),
        pytest.param(meta("9"), None, Tombstone("old", 7), True, id="made anew"),
    ],
)
def test_write_wins(written: ObjectMeta, stored: ObjectMeta | None, tombstone: Tombstone | None, wins: bool) -> None:
    assert write_wins(written, stored, tombstone) is wins


@pytest.mark.parametrize(
    ("version", "seconds", "stale"),
    [
        pytest.param("4", 1.0, True, id="older than the write"),
        pytest.param("5", 1.0, False, id="the write"),
        pytest.param("6", 1.0, False, id="newer"),
        pytest.param("x", 1.0, False, id="no number: the server's word counts"),
        pytest.param("4", 61.0, False, id="out of patience: the server's word counts"),
    ],
)
def test_a_pin_holds_until_the_watch_has_caught_up(version: str, seconds: float, stale: bool) -> None:
    pins = Pins()
    pins.pin(KEY, 5, 0.0)
    assert pins.stale(KEY, version, seconds) is stale
    assert len(pins) == (1 if stale else 0)
    assert not pins.stale(ObjectKey("ns", "other"), "1", 0.0)


def test_the_lag_is_the_time_until_the_watch_shows_the_write() -> None:
    pins = Pins()
    pins.pin(KEY, 5, 10.0)
    assert pins.lag(KEY, "4", 11.0) is None
    assert pins.lag(KEY, "5", 12.5) == 2.5
    assert pins.lag(ObjectKey("ns", "other"), "5", 12.5) is None


def test_progress_of_the_watch_clears_pins() -> None:
    pins = Pins()
    pins.pin(KEY, 5, 0.0)
    pins.pin(ObjectKey("ns", "b"), 9, 0.0)
    pins.advance("not a number")
    pins.advance("7")
    assert len(pins) == 1
    assert not pins.stale(KEY, "1", 0.0)
    assert pins.stale(ObjectKey("ns", "b"), "8", 0.0)


def test_tombstones_are_bounded_and_the_newest_stay() -> None:
    tombstones = Tombstones(limit=2)
    keys = [ObjectKey("ns", name) for name in "abc"]
    for number, key in enumerate(keys):
        tombstones.bury(key, Tombstone(f"u{number}", number))
    assert len(tombstones) == 2
    assert tombstones.get(keys[0]) is None
    assert tombstones.get(keys[2]) == Tombstone("u2", 2)
