"""``kdl operator``: the operator itself."""

import click

from kdl_cli.durations import Duration
from kdl_cli.operatorflags import ElectionFlags, OperatorFlags
from kdl_cli.options import examples, gathered


@click.command(
    "operator",
    short_help="Run the operator.",
    epilog=examples(
        """
        kdl operator
        kdl operator --kubeconfig ~/.kube/config --log-format console
        kdl operator --namespace team-a --namespace team-b
        kdl operator --workloads XGBoostJob,PyTorchJob
        kdl operator --workloads=-XGBoostJob --max-concurrent-reconciles 8
        """
    ),
)
@click.option("--kubeconfig", metavar="FILE", help="Kubeconfig. Default: $KUBECONFIG, the pod's, then ~/.kube/config.")
@click.option("--context", metavar="NAME", help="Context of the kubeconfig. Default: its current one.")
@click.option(
    "--namespace", "namespaces", multiple=True, metavar="NAME", help="Only this namespace; repeatable. Default: all."
)
@click.option(
    "--workloads",
    default="auto",
    show_default=True,
    envvar="WORKLOADS_ENABLE",
    show_envvar=True,
    metavar="LIST",
    help="Kinds to run: auto (those whose CRD is installed), A,B, or *; -Kind leaves one out.",
)
@click.option(
    "--max-concurrent-reconciles",
    "--max-reconciles",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    help="Jobs of one kind that are worked on at the same time.",
)
@click.option(
    "--metrics-bind-address",
    "--controller-metrics-addr",
    default=":8080",
    show_default=True,
    metavar="HOST:PORT",
    help="Where Prometheus metrics are served; 0 turns them off.",
)
@click.option(
    "--metrics-secure/--no-metrics-secure",
    default=False,
    show_default=True,
    help="Serve metrics over TLS, to whom a role allows get on the URL /metrics.",
)
@click.option(
    "--metrics-cert-path",
    metavar="DIR",
    help="Where the certificate for that is; it may change. Default: one of its own, which nobody can check.",
)
@click.option(
    "--metrics-cert-name", default="tls.crt", show_default=True, metavar="FILE", help="Its name in that directory."
)
@click.option(
    "--metrics-cert-key", default="tls.key", show_default=True, metavar="FILE", help="The name of its key there."
)
@click.option(
    "--health-probe-bind-address",
    default=":8081",
    show_default=True,
    metavar="HOST:PORT",
    help="Where /healthz and /readyz are served; 0 turns them off.",
)
@click.option(
    "--progress-bind-address",
    default="0",
    show_default=True,
    metavar="HOST:PORT",
    help="Where pods report the progress of their jobs; 0 turns it off.",
)
@click.option(
    "--progress-url", metavar="URL", help="How pods reach that: http://SERVICE.NAMESPACE.svc:PORT, without a path."
)
@click.option(
    "--graceful-shutdown-timeout",
    type=Duration(),
    default=30.0,
    show_default="30s",
    help="How long work in progress may take to end after SIGTERM.",
)
@click.option(
    "--warmup/--no-warmup",
    default=False,
    show_default=True,
    help="Fill the queues already while another operator leads.",
)
@click.option(
    "--reconcile-timeout",
    type=Duration(),
    default=0.0,
    show_default="never",
    help="How long one look at a job may take before it is broken off and tried again.",
)
@click.option(
    "--event-loop-stall-threshold",
    type=Duration(),
    default=1.0,
    show_default="1s",
    help="Log the stack of what holds the event loop up for so long; 0 does not look.",
)
@click.option(
    "--traces/--no-traces",
    default=False,
    show_default=True,
    help="Send OpenTelemetry traces, as its OTEL_* variables say. Run it under opentelemetry-instrument.",
)
@click.option(
    "--log-format", type=click.Choice(["json", "console"]), default="json", show_default=True, help="Form of the logs."
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="Least level that is logged.",
)
@click.option(
    "--leader-elect/--no-leader-elect",
    "--enable-leader-election",
    default=False,
    show_default=True,
    help="Work only while holding a Lease, so that several operators can run and one of them works.",
)
@click.option(
    "--leader-elect-lease-duration",
    type=Duration(),
    default=15.0,
    show_default="15s",
    help="How long the others wait for a leader that does not renew its lease.",
)
@click.option(
    "--leader-elect-renew-deadline",
    type=Duration(),
    default=10.0,
    show_default="10s",
    help="How long a leader tries to renew its lease before it ends.",
)
@click.option(
    "--leader-elect-retry-period",
    type=Duration(),
    default=2.0,
    show_default="2s",
    help="Between two renewals.",
)
@click.option(
    "--leader-elect-resource-name", default="kdl-operator", show_default=True, metavar="NAME", help="Name of the Lease."
)
@click.option(
    "--leader-elect-resource-namespace",
    metavar="NAME",
    help="Namespace of the Lease. Default: the pod's, or the context's.",
)
@gathered(ElectionFlags, "election")
@gathered(OperatorFlags, "flags")
def command(flags: OperatorFlags, election: ElectionFlags) -> None:
    """Run every kind of job whose CRD the cluster serves, until SIGTERM or SIGINT; a second signal ends it at once."""
    from kdl_cli.operating import operate
    from kdl_cli.session import run

    run(operate(flags, election))
