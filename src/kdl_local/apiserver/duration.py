"""Ages as kubectl writes them (``k8s.io/apimachinery/pkg/util/duration``)."""

from datetime import datetime

from kdl_runtime.codec.times import parse_time

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def human_duration(seconds: float) -> str:
    """Two units at most, fewer the longer it is: ``45s``, ``3m10s``, ``25m``, ``5h12m``, ``3d4h``, ``2y30d``."""
    if seconds < -1:
        return "<invalid>"
    whole = max(int(seconds), 0)
    minutes, hours, days = whole // _MINUTE, whole // _HOUR, whole // _DAY
    years = days // 365
    if whole < 2 * _MINUTE:
        return f"{whole}s"
    if minutes < 10:
        return _pair(minutes, "m", whole % _MINUTE, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _pair(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if hours < 192:
        return _pair(days, "d", hours % 24, "h")
    if days < 2 * 365:
        return f"{days}d"
    if days < 8 * 365:
        return _pair(years, "y", days % 365, "d")
    return f"{years}y"


def _pair(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"


def age(timestamp: object, now: datetime) -> str:
    """The time since an RFC 3339 timestamp; ``<unknown>`` when there is none."""
    if not isinstance(timestamp, str) or not timestamp:
        return "<unknown>"
    try:
        return human_duration((now - parse_time(timestamp)).total_seconds())
    except ValueError:
        return "<invalid>"
