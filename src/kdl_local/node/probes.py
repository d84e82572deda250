"""Probes of a container, as the kubelet runs them (https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/)."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kdl_runtime.clock import Clock

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds and counts of a probe, with the API's defaults."""

    initial_delay: float = 0.0
    period: float = 10.0
    timeout: float = 1.0
    successes: int = 1
    failures: int = 3


def timing_of(probe: Object) -> Timing:
    return Timing(
        initial_delay=float(probe.get("initialDelaySeconds") or 0),
        period=float(probe.get("periodSeconds") or 10),
        timeout=float(probe.get("timeoutSeconds") or 1),
        successes=int(probe.get("successThreshold") or 1),
        failures=int(probe.get("failureThreshold") or 3),
    )


@dataclass(slots=True)
class Verdict:
    """Counts results in a row; ``value`` changes when one of the thresholds is reached, and is None before."""

    timing: Timing
    value: bool | None = None
    _last: bool | None = None
    _row: int = 0

    def add(self, success: bool) -> bool:
        """Whether the verdict has changed."""
        self._row = self._row + 1 if success == self._last else 1
        self._last = success
        needed = self.timing.successes if success else self.timing.failures
        if self._row < needed or self.value == success:
            return False
        self.value = success
        return True


async def watch(
    timing: Timing, check: Callable[[], Awaitable[str]], clock: Clock, decided: Callable[[bool, str], None]
) -> None:
    """Probes until it is cancelled. ``check`` returns what is wrong, an empty text for a success; ``decided`` is told
    each time the verdict changes, with the last thing that was wrong."""
    verdict = Verdict(timing)
    await clock.sleep(timing.initial_delay)
    while True:
        try:
            async with asyncio.timeout(timing.timeout):
                problem = await check()
        except TimeoutError:
            problem = f"no answer within {timing.timeout:g}s"
        if verdict.add(not problem):
            decided(not problem, problem)
        await clock.sleep(timing.period)


async def tcp_check(host: str, port: int) -> str:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError as error:
        return f"dial tcp {host}:{port}: {error.strerror or error}"
    await _close(writer)
    return ""


async def http_check(action: Object, host: str, port: int) -> str:
    """A GET whose status is at least 200 and below 400. Certificates are not verified, as in the kubelet."""
    context = None
    if action.get("scheme") == "HTTPS":
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    path = action.get("path") or "/"
    headers = {"Host": f"{host}:{port}", "User-Agent": "kube-probe/kdl", "Connection": "close"}
    headers |= {item["name"]: item["value"] for item in action.get("httpHeaders") or ()}
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    try:
        reader, writer = await asyncio.open_connection(host, port, ssl=context)
    except OSError as error:
        return f"Get {path}: dial tcp {host}:{port}: {error.strerror or error}"
    try:
        writer.write("\r\n".join(lines).encode())
        status = (await reader.readline()).split()
    except OSError as error:
        return f"Get {path}: {error.strerror or error}"
    finally:
        await _close(writer)
    if len(status) < 2 or not status[1].isdigit():
        return f"Get {path}: not an HTTP answer"
    code = int(status[1])
    return "" if 200 <= code < 400 else f"HTTP probe failed with statuscode: {code}"


def port_of(action: Object, container: Object) -> int:
    """The port's number, also for one that is given by the name of a container port. ValueError for an unknown name."""
    port = action["port"]
    if isinstance(port, int) or str(port).isdigit():
        return int(port)
    for item in container.get("ports") or ():
        if item.get("name") == port:
            return int(item["containerPort"])
    raise ValueError(f"port {port}: the container has no port of that name")


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        await writer.wait_closed()
    except OSError:
        return
