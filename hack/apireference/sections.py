"""Which names are on which page of the API reference."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Section:
    """A page: its modules, and of a module only some names if not all of them are for users."""

    name: str
    title: str
    modules: Mapping[str, tuple[str, ...]]


ALL: tuple[str, ...] = ()
SECTIONS = (
    Section(
        "manager",
        "Manager and leader election",
        {
            "kdl_runtime.manager.manager": ("Manager", "ManagerOptions", "ShutdownTimeoutError"),
            "kdl_runtime.manager.groups": ("Runnable", "Drainable", "Warmable", "Server"),
            "kdl_runtime.manager.signals": ("run",),
            "kdl_runtime.leader.lease": ("ElectionOptions",),
            "kdl_runtime.leader.elector": ALL,
            "kdl_runtime.leader.thread": ("elector_of", "ElectionThread"),
            "kdl_runtime.clock": ALL,
        },
    ),
    Section(
        "controllers",
        "Controllers",
        {
            "kdl_runtime.types": ALL,
            "kdl_runtime.controller.controller": ("Controller", "Reconciler", "Delay"),
            "kdl_runtime.controller.options": ("ControllerOptions",),
            "kdl_runtime.controller.handlers": ALL,
            "kdl_runtime.controller.predicates": ALL,
            "kdl_runtime.backoff": ("BackoffPolicy",),
        },
    ),
    Section(
        "typed",
        "Typed controllers",
        {
            "kdl_runtime.controller.typed": (
                "view",
                "View",
                "reconciles",
                "TypedController",
                "Context",
                "Reader",
                "TypedReconciler",
                "ViewError",
            ),
        },
    ),
    Section(
        "ownership",
        "Owners, finalizers, expectations",
        {
            "kdl_runtime.controller.ownership": ALL,
            "kdl_runtime.controller.finalizers": ("Finalizer", "ensure_finalizer", "remove_finalizer"),
            "kdl_runtime.controller.expectations": ALL,
        },
    ),
    Section(
        "cache",
        "Cache",
        {
            "kdl_runtime.cache.cache": ALL,
            "kdl_runtime.cache.spec": ALL,
            "kdl_runtime.cache.informer": ("Informer",),
            "kdl_runtime.cache.transform": ("Transform", "without_managed_fields", "metadata_alone", "of_objects"),
            "kdl_runtime.cache.event": ALL,
            "kdl_runtime.cache.index": ("OWNER_INDEX", "owner_uid_index"),
            "kdl_runtime.cache.collection": ("WatcherOptions",),
            "kdl_runtime.cache.served": ("ServedKinds",),
            "kdl_runtime.codec.meta": ALL,
        },
    ),
    Section(
        "client",
        "Client",
        {
            "kdl_runtime.client.client": ("Client", "WriteListener", "UnknownListener"),
            "kdl_runtime.client.options": (
                "ListOptions",
                "WatchOptions",
                "WriteOptions",
                "DeleteOptions",
                "Preconditions",
                "PatchType",
                "Patch",
            ),
            "kdl_runtime.resources.registry": ALL,
            "kdl_runtime.resources.discovery": ("Discovery", "ServedResource", "served"),
        },
    ),
    Section(
        "writing",
        "Create or update, and clients before clients",
        {
            "kdl_runtime.client.createorupdate": ALL,
            "kdl_runtime.client.semantic": ("subset_equal",),
            "kdl_runtime.client.api": ("Api",),
            "kdl_runtime.client.wrappers": ALL,
        },
    ),
    Section("errors", "Errors", {"kdl_runtime.errors": ALL}),
    Section(
        "transport",
        "Connections and formats",
        {
            "kdl_runtime.transport.kubeconfig": ("load_config",),
            "kdl_runtime.transport.http": ("Transport", "HttpTransport", "TransportOptions"),
            "kdl_runtime.codec.selectors": ("LabelSelector", "FieldSelector"),
            "kdl_runtime.codec.patch": ("merge_diff", "apply_merge", "apply_json_patch"),
            "kdl_runtime.codec.times": ALL,
            "kdl_runtime.codec.quantity": ALL,
        },
    ),
    Section(
        "observe",
        "Events, metrics, health, logs, traces",
        {
            "kdl_runtime.events.recorder": ("EventRecorder",),
            "kdl_runtime.observe.health": ("HealthChecks",),
            "kdl_runtime.observe.logging": ("configure", "current_reconciliation", "Reconciliation"),
            "kdl_runtime.observe.tracing": ("Tracer", "Span"),
            "kdl_runtime.observe.opentelemetry": ("OpenTelemetryTracer",),
            "kdl_runtime.client.rest_metrics": ("RestMetrics",),
            "kdl_runtime.serve.metrics_server": ("MetricsSecurity",),
            "kdl_runtime.serve.access": ("AccessReviews", "AccessOptions"),
        },
    ),
    Section(
        "webhooks",
        "Webhooks",
        {
            "kdl_runtime.webhook.server": ("webhook_server", "WebhookServer", "WebhookOptions", "NotServingError"),
            "kdl_runtime.webhook.functions": ("Default", "Validator", "Warnings"),
            "kdl_runtime.webhook.admission": (
                "AdmissionHandler",
                "AdmissionRequest",
                "AdmissionResponse",
                "admission_request",
                "refused",
            ),
            "kdl_runtime.webhook.conversion": ("Convert", "Converter", "ConversionError", "Spoke", "HubAndSpokes"),
            "kdl_runtime.webhook.paths": ("mutate_path", "validate_path"),
        },
    ),
    Section(
        "certificates",
        "Certificates",
        {
            "kdl_runtime.serve.certificates": ("Certificates", "PairPaths", "CertificateFiles"),
            "kdl_runtime.serve.own_certificate": ("OwnCertificate",),
            "kdl_runtime.webhook.selfsigned": ("SelfSigned", "SelfSignedOptions", "service_hosts", "IssuingError"),
            "kdl_runtime.webhook.rotation": ("RotationPolicy",),
            "kdl_runtime.webhook.bundles": (
                "BundleTarget",
                "validating_configuration",
                "mutating_configuration",
                "conversion_of",
            ),
        },
    ),
)
