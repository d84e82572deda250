"""Lengths of time as people write and read them."""

import re
from datetime import datetime, timedelta

import click

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = re.compile(r"\d+(\.\d+)?")


def parse_duration(text: str) -> float:
    """Seconds of ``90``, ``90s``, ``1m30s``, ``2h`` or ``1d``. ValueError for anything else, also a negative length."""
    if _SECONDS.fullmatch(text):
        return float(text)
    if not text or _PART.sub("", text):
        raise ValueError(f"{text!r} is no duration: write it as 90s, 5m or 1h30m")
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))


def short_duration(length: timedelta | float) -> str:
    """The two largest units that matter, as kubectl prints ages: ``12s``, ``3m20s``, ``25m``, ``5h30m``, ``3d4h``."""
    seconds = int(length.total_seconds() if isinstance(length, timedelta) else length)
    if seconds < 0:
        return "0s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        return f"{minutes}m" + (f"{seconds % 60}s" if seconds % 60 else "")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h" + (f"{minutes % 60}m" if minutes % 60 else "")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return f"{days}d" + (f"{hours % 24}h" if hours % 24 else "")
    return f"{days}d"


def age(since: datetime | None, now: datetime) -> str:
    return "<unknown>" if since is None else short_duration(now - since)


class Duration(click.ParamType[float]):
    """A click parameter that reads a duration into seconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, int | float):
            return float(value)
        try:
            return parse_duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
