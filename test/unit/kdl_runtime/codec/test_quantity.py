"""Quantities and durations against the answers of apimachinery and Go."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdl_runtime.codec.quantity import (
    QuantityFormat,
    canonical_quantity,
    format_quantity,
    parse_duration,
    parse_quantity,
)

MOST = 2**63 - 1


@pytest.mark.parametrize(
    ("text", "value", "canonical"),
    [
        ("0", "0", "0"),
        ("-0", "0", "0"),
        ("1", "1", "1"),
        ("+1", "1", "1"),
        ("500m", "0.5", "500m"),
        ("0.5", "0.5", "500m"),
        (".5", "0.5", "500m"),
        ("1.", "1", "1"),
        ("1000m", "1", "1"),
        ("1500", "1500", "1500"),
        ("1000", "1000", "1k"),
        ("2.5M", "2500000", "2500k"),
        ("1E", "1e18", "1E"),
        ("12P", "12e15", "12P"),
        ("3T", "3e12", "3T"),
        ("7G", "7e9", "7G"),
        ("1n", "1e-9", "1n"),
        ("5u", "5e-6", "5u"),
        ("0.1n", "1e-9", "1n"),
        ("1.0000000001", "1.000000001", "1000000001n"),
        ("-0.1n", "-1e-9", "-1n"),
        ("1Ki", "1024", "1Ki"),
        ("1024Mi", "1073741824", "1Gi"),
        ("1.5Gi", "1610612736", "1536Mi"),
        ("0.1Ki", "102.4", "102400m"),
        ("0.5Ki", "512", "512"),
        ("1000Ki", "1024000", "1000Ki"),
        ("1Ti", str(2**40), "1Ti"),
        ("1Pi", str(2**50), "1Pi"),
        ("1Ei", str(2**60), "1Ei"),
        ("-1Ki", "-1024", "-1Ki"),
        ("1e3", "1000", "1e3"),
        ("1E3", "1000", "1e3"),
        ("1500e-3", "1.5", "1500e-3"),
        ("1e0", "1", "1"),
        ("100Ei", str(MOST), str(MOST)),
        ("-100Ei", str(-MOST), str(-MOST)),
        ("1e999", str(MOST), str(MOST)),
        ("9223372036854775807", str(MOST), str(MOST)),
    ],
)
def test_quantities(text: str, value: str, canonical: str) -> None:
    assert parse_quantity(text) == Decimal(value)
    assert canonical_quantity(text) == canonical
    assert parse_quantity(canonical) == Decimal(value)


@pytest.mark.parametrize(("number", "canonical"), [(3, "3"), (0.1, "100m"), (Decimal("2.5"), "2500m"), (4000, "4k")])
def test_plain_numbers_are_quantities_too(number: int | float | Decimal, canonical: str) -> None:
    assert canonical_quantity(number) == canonical


@pytest.mark.parametrize(
    "text", ["", "m", "1mm", "1 Gi", "1ki", "1mi", "1Kb", "1e", "1e1.5", "--1", "1.2.3", ".", "x", "NaN", "1_0"]
)
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity: write a number and one of the suffixes"):
        parse_quantity(text)


def test_a_boolean_is_no_quantity() -> None:
    with pytest.raises(ValueError, match="'True' is not a quantity"):
        parse_quantity(True)


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (1024, QuantityFormat.BINARY_SI, "1Ki"),
        (1023, QuantityFormat.BINARY_SI, "1023"),
        (Decimal("1024.5"), QuantityFormat.BINARY_SI, "1024500m"),
        (1024, QuantityFormat.DECIMAL_SI, "1024"),
        (1000, QuantityFormat.DECIMAL_EXPONENT, "1e3"),
        (Decimal("0.001"), QuantityFormat.DECIMAL_EXPONENT, "1e-3"),
    ],
)
def test_formats(value: Decimal | int, form: QuantityFormat, text: str) -> None:
    assert format_quantity(value, form) == text


@given(st.integers(-(2**62), 2**62), st.sampled_from(QuantityFormat))
def test_printing_loses_nothing(value: int, form: QuantityFormat) -> None:
    assert parse_quantity(format_quantity(value, form)) == value


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=9))
def test_canonical_is_a_fixed_point(value: Decimal) -> None:
    canonical = canonical_quantity(f"{value:f}")
    assert parse_quantity(canonical) == value
    assert canonical_quantity(canonical) == canonical


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("15s", 15.0),
        ("1h30m", 5400.0),
        ("90m", 5400.0),
        ("100ms", 0.1),
        ("1.5h", 5400.0),
        (".5s", 0.5),
        ("1.s", 1.0),
        ("-2us", -2e-6),
        ("3µs", 3e-6),
        ("3μs", 3e-6),
        ("7ns", 7e-9),
        ("1h0.5s", 3600.5),
        ("+1m", 60.0),
        ("100s", 100.0),
        ("1s500ms", 1.5),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize("text", ["", "1", "s", "1d", "1h 30m", "-", "1hh", ".s", "--1s", "1,5s"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration: write numbers with the units"):
        parse_duration(text)
