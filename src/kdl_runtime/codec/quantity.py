"""Quantities of resources (``500m``, ``1Gi``) and Go's durations (``1h30m``), exact and in their canonical spelling.

Rules: apimachinery's ``resource.Quantity``
(https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/) and Go's ``time.ParseDuration``.
"""

import re
from decimal import ROUND_UP, Context, Decimal
from enum import Enum

_QUANTITY = re.compile(r"(?P<sign>[+-]?)(?P<number>[0-9]+\.?[0-9]*|\.[0-9]+)(?P<suffix>[A-Za-z]*[+-]?[0-9]*)")
_EXPONENT = re.compile(r"[eE]([+-]?[0-9]{1,4})")
_DECIMAL_SUFFIXES = ("n", "u", "m", "", "k", "M", "G", "T", "P", "E")
_BINARY_SUFFIXES = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_SMALLEST_EXPONENT = -9
_LARGEST = Decimal(2**63 - 1)
# Numbers are at most 19 digits before and 9 behind the point once they are capped and rounded; what a user writes may
# be longer, and its value must still be compared exactly.
_EXACT = Context(prec=10_000)


class QuantityFormat(Enum):
    """The family of suffixes that a quantity was written with and is printed with again."""

    DECIMAL_SI = "decimal"
    BINARY_SI = "binary"
    DECIMAL_EXPONENT = "exponent"


def parse_quantity(quantity: str | int | float | Decimal) -> Decimal:
    """The exact value of ``500m``, ``1.5Gi``, ``1e3`` or a plain number.

    As in Kubernetes, what is finer than a nano is rounded away from zero and values are capped at 2**63-1 either way.
    ValueError says what a quantity looks like.
    """
    return _parse(quantity)[0]


def canonical_quantity(quantity: str | int | float | Decimal) -> str:
    """The quantity as the API server prints it: ``0.5`` is ``500m``, ``1024Mi`` is ``1Gi``, ``1000m`` is ``1``."""
    value, form = _parse(quantity)
    return format_quantity(value, form)


def format_quantity(value: Decimal | int, form: QuantityFormat = QuantityFormat.DECIMAL_SI) -> str:
    """The shortest suffix form that has no fraction and loses nothing; beyond nano and 2**63-1 as in parsing.

    Binary suffixes are for whole numbers from 1024 up: anything else is printed with decimal ones.
    """
    value = _limit(Decimal(value))
    if value == 0:
        return "0"
    if form is QuantityFormat.BINARY_SI and abs(value) >= 1024 and value == int(value):
        number, power = int(value), 0
        while number % 1024 == 0:
            number, power = number // 1024, power + 1
        return f"{number}{_BINARY_SUFFIXES[power]}"
    number, power = int(_EXACT.scaleb(value, -_SMALLEST_EXPONENT)), 0
    while number % 1000 == 0:
        number, power = number // 1000, power + 1
    if form is QuantityFormat.DECIMAL_EXPONENT:
        exponent = 3 * power + _SMALLEST_EXPONENT
        return f"{number}e{exponent}" if exponent else str(number)
    return f"{number}{_DECIMAL_SUFFIXES[power]}"


def _parse(quantity: str | int | float | Decimal) -> tuple[Decimal, QuantityFormat]:
    # repr of a float is the shortest text that means it, so that 0.1 is a tenth.
    text = quantity if isinstance(quantity, str) else str(quantity)
    match = _QUANTITY.fullmatch(text)
    scaled = match and _scale(Decimal(match["number"]), match["suffix"])
    if not match or not scaled or isinstance(quantity, bool):
        raise ValueError(
            f"{text!r} is not a quantity: write a number and one of the suffixes n, u, m, k, M, G, T, P, E, "
            "Ki, Mi, Gi, Ti, Pi, Ei or an exponent such as e3"
        )
    value, form = scaled
    if form is QuantityFormat.BINARY_SI and value < 1:
        form = QuantityFormat.DECIMAL_SI
    value = _limit(value)
    return (-value if match["sign"] == "-" else value), form


def _scale(number: Decimal, suffix: str) -> tuple[Decimal, QuantityFormat] | None:
    """The number times what the suffix means, None for an unknown suffix."""
    if suffix in _DECIMAL_SUFFIXES:
        power = _DECIMAL_SUFFIXES.index(suffix) * 3 + _SMALLEST_EXPONENT
        return _EXACT.scaleb(number, power), QuantityFormat.DECIMAL_SI
    if suffix in _BINARY_SUFFIXES:
        power = _BINARY_SUFFIXES.index(suffix)
        return _EXACT.multiply(number, Decimal(1024**power)), QuantityFormat.BINARY_SI
    if exponent := _EXPONENT.fullmatch(suffix):
        return _EXACT.scaleb(number, int(exponent[1])), QuantityFormat.DECIMAL_EXPONENT
    return None


def _limit(value: Decimal) -> Decimal:
    if abs(value) >= _LARGEST:
        return _LARGEST.copy_sign(value)
    return value.quantize(Decimal("1e-9"), rounding=ROUND_UP, context=_EXACT)


# ---- durations

_UNITS = {"ns": "1e-9", "us": "1e-6", "µs": "1e-6", "μs": "1e-6", "ms": "1e-3", "s": "1", "m": "60", "h": "3600"}
_DURATION_PART = re.compile(r"(?P<number>[0-9]+\.?[0-9]*|\.[0-9]+)(?P<unit>ns|us|µs|μs|ms|s|m|h)")


def parse_duration(text: str) -> float:
    """Seconds in one of Go's durations: ``15s``, ``1h30m``, ``-1.5h``, ``100ms``; a bare ``0`` is allowed too."""
    sign, body = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if body == "0":
        return 0.0
    total, position = Decimal(0), 0
    while match := _DURATION_PART.match(body, position):
        total += Decimal(match["number"]) * Decimal(_UNITS[match["unit"]])
        position = match.end()
    if not body or position != len(body):
        raise ValueError(f"{text!r} is not a duration: write numbers with the units ns, us, ms, s, m or h, as in 1h30m")
    return sign * float(total)
