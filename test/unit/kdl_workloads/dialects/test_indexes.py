"""Index sets as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdl_workloads.dialects.indexes import format_indexes, parse_indexes


@pytest.mark.parametrize(
    ("indexes", "text"),
    [
        ([], ""),
        ([0], "0"),
        ([0, 1], "0,1"),
        ([0, 1, 2, 3, 5], "0-3,5"),
        ([7, 3, 4, 5], "3-5,7"),
        ([1, 1, 1], "1"),
    ],
)
def test_format(indexes: list[int], text: str) -> None:
    assert format_indexes(indexes) == text


@pytest.mark.parametrize("text", ["x", "-", "1-", "-1", "3-x", "2-1", "1.5", " "])
def test_what_cannot_be_read_is_skipped(text: str) -> None:
    assert parse_indexes(f"{text},8") == ({1, 8} if text == "1-" else {8})


@given(st.sets(st.integers(min_value=0, max_value=200)))
def test_round_trip(indexes: set[int]) -> None:
    assert parse_indexes(format_indexes(indexes)) == indexes
