"""The operator's process: logging, the manager, the controllers, and signals."""

import os
import platform
import secrets
import uuid
from pathlib import Path
from urllib.parse import urlsplit

from kdl_cli.errors import CliError
from kdl_cli.operatorflags import ElectionFlags, OperatorFlags
from kdl_cli.options import Connection
from kdl_cli.session import Session, connect
from kdl_runtime.client.client import Client
from kdl_runtime.controller.options import ControllerOptions
from kdl_runtime.leader.lease import ElectionOptions
from kdl_runtime.leader.thread import ElectionThread, elector_of
from kdl_runtime.manager import signals
from kdl_runtime.manager.manager import Manager, ManagerOptions
from kdl_runtime.observe import logging
from kdl_runtime.observe.tracing import Tracer
from kdl_runtime.resources.discovery import served
from kdl_runtime.serve.address import parse_bind_address
from kdl_runtime.serve.certificates import PairPaths
from kdl_runtime.serve.metrics_server import MetricsSecurity
from kdl_workloads.operator import OperatorOptions, build
from kdl_workloads.progress.reporting import EndpointOptions
from kdl_workloads.progress.tokens import shared_key


async def operate(flags: OperatorFlags, election: ElectionFlags) -> None:
    """Until a signal stops it. Raises what makes going on impossible: no cluster, an unknown kind, a port in use, and
    with leader election the loss of the lease."""
    logging.configure(json=flags.log_format == "json", level=flags.log_level)
    for flag, address in (
        ("--metrics-bind-address", flags.metrics_bind_address),
        ("--health-probe-bind-address", flags.health_probe_bind_address),
        ("--progress-bind-address", flags.progress_bind_address),
    ):
        try:
            parse_bind_address(address)
        except ValueError as error:
            raise CliError(f"{flag}: {error}") from error
    async with connect(Connection(flags.kubeconfig, flags.context)) as session:
        manager = Manager(
            session.client,
            manager_options(flags),
            session.clock,
            election=_election(session, election),
        )
        options = OperatorOptions(
            workloads=flags.workloads,
            namespaces=flags.namespaces,
            max_concurrent_reconciles=flags.max_concurrent_reconciles,
            progress=await progress_endpoint(
                flags, session.client, election.leader_elect_resource_namespace or session.config.namespace
            ),
        )
        build(manager, options, await served(session.client))
        await signals.run(manager)


def manager_options(flags: OperatorFlags) -> ManagerOptions:
    """CliError for traces without OpenTelemetry, and for flags that do not go together."""
    return ManagerOptions(
        metrics_bind_address=flags.metrics_bind_address,
        health_probe_bind_address=flags.health_probe_bind_address,
        metrics_security=_metrics_security(flags),
        graceful_shutdown_timeout=flags.graceful_shutdown_timeout,
        namespaces=flags.namespaces,
        tune_gc=True,
        controllers=ControllerOptions(warmup=flags.warmup, reconcile_timeout=flags.reconcile_timeout),
        tracer=_tracer() if flags.traces else None,
        stall_threshold=flags.event_loop_stall_threshold,
    )


def _metrics_security(flags: OperatorFlags) -> MetricsSecurity | None:
    path = flags.metrics_cert_path
    if flags.metrics_secure:
        return MetricsSecurity(PairPaths(Path(path), flags.metrics_cert_name, flags.metrics_cert_key) if path else None)
    if path:
        raise CliError("--metrics-cert-path is for metrics over TLS: add --metrics-secure")
    return None


async def progress_endpoint(flags: OperatorFlags, client: Client, namespace: str) -> EndpointOptions | None:
    """None if it is off; CliError where pods could not know where to report to. ``namespace`` has the key, which is
    made if there is none."""
    address = parse_bind_address(flags.progress_bind_address)
    if address is None:
        return None
    url = urlsplit(flags.progress_url or "")
    if url.scheme not in ("http", "https") or not url.hostname:
        raise CliError("--progress-url: say how pods reach --progress-bind-address, as in http://HOST:PORT")
    key = await shared_key(client, namespace, secrets.token_bytes)
    return EndpointOptions(address, url.geturl(), key)


def _tracer() -> Tracer:
    try:
        from kdl_runtime.observe.opentelemetry import OpenTelemetryTracer
    except ImportError as error:
        raise CliError(f"--traces: {error}") from error
    return OpenTelemetryTracer()


def _election(session: Session, flags: ElectionFlags) -> ElectionThread | None:
    if not flags.leader_elect:
        return None
    try:
        options = ElectionOptions(
            namespace=flags.leader_elect_resource_namespace or session.config.namespace,
            name=flags.leader_elect_resource_name,
            identity=f"{platform.node()}_{os.getpid()}_{uuid.uuid4()}",
            lease_duration=flags.leader_elect_lease_duration,
            renew_deadline=flags.leader_elect_renew_deadline,
            retry_period=flags.leader_elect_retry_period,
        )
    except ValueError as error:
        raise CliError(str(error)) from error
    return ElectionThread(options.name, elector_of(session.config, options))
