"""What this process has used so far."""

import resource
from pathlib import Path


def cpu_seconds() -> float:
    """User and system time of all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def resident_bytes() -> int:
    """Memory that is resident now."""
    return _status("VmRSS")


def peak_bytes() -> int:
    """The most memory that was resident at any time."""
    return _status("VmHWM")


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))
