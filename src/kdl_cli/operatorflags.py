"""The flags of ``kdl operator``, apart from the command that reads them and from what runs by them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OperatorFlags:
    """``namespaces`` empty: all of them."""

    kubeconfig: str | None
    context: str | None
    namespaces: tuple[str, ...]
    workloads: str
    max_concurrent_reconciles: int
    metrics_bind_address: str
    health_probe_bind_address: str
    graceful_shutdown_timeout: float
    log_format: str
    log_level: str
