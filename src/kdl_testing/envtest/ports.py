"""Ports for servers that must be told theirs: chosen, and chosen again if somebody else was faster."""

import random
import socket
from collections.abc import Callable
from pathlib import Path

from kdl_testing.envtest.process import Process, ProcessError, Program

ATTEMPTS = 10
TAKEN = "address already in use"
"""What the Go programs write to their log when their port is taken."""

_LOWEST = 10_000
_EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_EPHEMERAL_START = 32_768
"""Linux's default, where the range cannot be read."""


def start_on_free_port(make: Callable[[int], Program], address: str, rng: random.Random | None = None) -> Process:
    """Starts the program that ``make`` describes for a port, on one that is free, and waits until it is ready.

    Nobody can reserve a port for another program, so one that finds it taken is started again on another. ProcessError
    as in ``Process.start``, or if that goes on.
    """
    rng = rng or random.SystemRandom()
    attempt = 0
    while True:
        attempt += 1
        process = Process(make(free_port(address, rng)))
        try:
            process.start()
        except ProcessError as error:
            if not port_was_taken(error) or attempt >= ATTEMPTS:
                raise
            error.log.unlink(missing_ok=True)
        else:
            return process


def port_was_taken(error: ProcessError) -> bool:
    return any(TAKEN in line for line in error.tail)


def free_port(address: str, rng: random.Random) -> int:
    """A port that is free at this address now.

    From below the range that the system gives to clients: while a server is down its clients knock at its port, and
    one that was given that very port would connect to itself and keep the server from coming back.
    """
    end = max(_ephemeral_start(), _LOWEST + 1000)
    for _ in range(200):
        port = rng.randrange(_LOWEST, end)
        if _is_free(address, port):
            return port
    return _any_port(address)


def _ephemeral_start() -> int:
    try:
        return int(_EPHEMERAL_RANGE.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return _EPHEMERAL_START


def _is_free(address: str, port: int) -> bool:
    with socket.socket(_family(address), socket.SOCK_STREAM) as probe:
        try:
            probe.bind((address, port))
        except OSError:
            return False
        return True


def _any_port(address: str) -> int:
    with socket.socket(_family(address), socket.SOCK_STREAM) as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET
