"""The flags of ``kdl operator``, apart from the command that reads them and from what runs by them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OperatorFlags:
    """``namespaces`` empty: all of them. Times in seconds. ``metrics_cert_path`` None: a certificate of its own.
    ``progress_url`` None: only where nobody listens for progress."""

    kubeconfig: str | None
    context: str | None
    namespaces: tuple[str, ...]
    workloads: str
    max_concurrent_reconciles: int
    metrics_bind_address: str
    metrics_secure: bool
    metrics_cert_path: str | None
    metrics_cert_name: str
    metrics_cert_key: str
    health_probe_bind_address: str
    progress_bind_address: str
    progress_url: str | None
    graceful_shutdown_timeout: float
    warmup: bool
    reconcile_timeout: float
    event_loop_stall_threshold: float
    traces: bool
    log_format: str
    log_level: str


@dataclass(frozen=True, slots=True)
class ElectionFlags:
    """The flags of leader election, under the names of Kubernetes' own components. Times in seconds."""

    leader_elect: bool
    leader_elect_lease_duration: float
    leader_elect_renew_deadline: float
    leader_elect_retry_period: float
    leader_elect_resource_name: str
    leader_elect_resource_namespace: str | None
