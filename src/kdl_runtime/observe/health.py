"""Health checks and their answers, in the text format of controller-runtime's healthz package."""

import inspect
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

import structlog

log = structlog.get_logger(__name__)

Check = Callable[[], Awaitable[None] | None]
"""Returns when healthy and raises when not; may be a coroutine function. Quick: the kubelet waits one second."""


async def ping() -> None:
    """Always healthy: that it answers is the point."""


@dataclass(frozen=True, slots=True)
class HealthReport:
    """The answer to a probe: 200 or 500 and a text."""

    status: int
    body: str


class HealthChecks:
    """The named checks of one path (``/healthz`` or ``/readyz``). Without any, ``ping`` is implied."""

    def __init__(self) -> None:
        self._checks: dict[str, Check] = {}

    def add(self, name: str, check: Check) -> None:
        """ValueError for a name that is taken or cannot be part of a URL path."""
        if not name or "/" in name:
            raise ValueError(f"health check name {name!r} must be a non-empty path segment")
        if name in self._checks:
            raise ValueError(f"there is a health check named {name!r} already")
        self._checks[name] = check

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._effective)

    @property
    def _effective(self) -> dict[str, Check]:
        return self._checks or {"ping": ping}

    async def report(self, *, exclude: Collection[str] = (), verbose: bool = False) -> HealthReport:
        """All checks but the excluded, by name. A failure always lists them, and withholds the reason, which is logged:
        the path is public."""
        lines: list[str] = []
        failed = False
        for name, check in sorted(self._effective.items()):
            if name in exclude:
                lines.append(f"[+]{name} excluded: ok")
            elif (error := await _failure(check)) is not None:
                log.warning("health check failed", check=name, error=str(error))
                lines.append(f"[-]{name} failed: reason withheld")
                failed = True
            else:
                lines.append(f"[+]{name} ok")
        if unknown := sorted(set(exclude) - self._effective.keys()):
            quoted = ",".join(f'"{name}"' for name in unknown)
            lines.append(f"warn: some health checks cannot be excluded: no matches for {quoted}")
        if failed:
            return HealthReport(500, "\n".join([*lines, "healthz check failed", ""]))
        return HealthReport(200, "\n".join([*lines, "healthz check passed", ""]) if verbose else "ok")

    async def report_one(self, name: str) -> HealthReport | None:
        """One check (``/healthz/ping``); None when there is none of that name."""
        check = self._effective.get(name)
        if check is None:
            return None
        error = await _failure(check)
        return HealthReport(200, "ok") if error is None else HealthReport(500, f"internal server error: {error}\n")


async def _failure(check: Check) -> Exception | None:
    try:
        outcome = check()
        if inspect.isawaitable(outcome):
            await outcome
    except Exception as error:
        return error
    return None
