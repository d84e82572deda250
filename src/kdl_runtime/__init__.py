"""A controller runtime: client, cache, queue, controllers, webhooks and their manager.

The names below are the public face. They are loaded when they are first used, so that whoever needs the errors or the
codec alone does not import an HTTP client. Besides them there are modules that are named when their names are used: the
errors of the API server (``kdl_runtime.errors``), built-in kinds (``kdl_runtime.resources.registry``) and logging
(``kdl_runtime.observe.logging``).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kdl_runtime.backoff import BackoffPolicy
    from kdl_runtime.cache.cache import Cache
    from kdl_runtime.cache.event import Event, EventType
    from kdl_runtime.cache.index import OWNER_INDEX
    from kdl_runtime.cache.informer import Informer
    from kdl_runtime.cache.spec import WatchSpec, owner_index, projection_only
    from kdl_runtime.cache.transform import without_managed_fields
    from kdl_runtime.client.client import Client
    from kdl_runtime.client.createorupdate import create_or_patch, create_or_update
    from kdl_runtime.client.options import DeleteOptions, ListOptions, Patch, PatchType, WatchOptions, WriteOptions
    from kdl_runtime.clock import LoopClock, SystemClock
    from kdl_runtime.codec.meta import ObjectMeta, PartialObject
    from kdl_runtime.codec.selectors import FieldSelector, LabelSelector
    from kdl_runtime.codec.times import format_time, parse_time
    from kdl_runtime.controller.controller import Controller
    from kdl_runtime.controller.expectations import Expectations
    from kdl_runtime.controller.finalizers import Finalizer
    from kdl_runtime.controller.handlers import enqueue_mapped, enqueue_owner, enqueue_self
    from kdl_runtime.controller.options import ControllerOptions
    from kdl_runtime.controller.ownership import set_controller_reference
    from kdl_runtime.controller.predicates import (
        all_of,
        any_of,
        deletion_changed,
        generation_changed,
        matches_labels,
        resource_version_changed,
    )
    from kdl_runtime.controller.typed import Context, TypedController, View, reconciles, view
    from kdl_runtime.errors import TerminalError
    from kdl_runtime.events.recorder import EventRecorder
    from kdl_runtime.leader.elector import LeaderElector
    from kdl_runtime.leader.lease import ElectionOptions
    from kdl_runtime.leader.thread import ElectionThread, elector_of
    from kdl_runtime.manager.groups import Server
    from kdl_runtime.manager.manager import Manager, ManagerOptions
    from kdl_runtime.manager.signals import run
    from kdl_runtime.serve.certificates import CertificateFiles, Certificates, PairPaths
    from kdl_runtime.serve.metrics_server import MetricsSecurity
    from kdl_runtime.transport.http import HttpTransport, TransportOptions
    from kdl_runtime.transport.kubeconfig import load_config
    from kdl_runtime.types import ObjectKey, Request, Resource, Result
    from kdl_runtime.webhook.admission import AdmissionRequest, admission_request
    from kdl_runtime.webhook.bundles import conversion_of, mutating_configuration, validating_configuration
    from kdl_runtime.webhook.conversion import ConversionError, HubAndSpokes, Spoke
    from kdl_runtime.webhook.functions import Validator
    from kdl_runtime.webhook.paths import mutate_path, validate_path
    from kdl_runtime.webhook.selfsigned import SelfSigned, SelfSignedOptions, service_hosts
    from kdl_runtime.webhook.server import WebhookOptions, WebhookServer, webhook_server

_MODULES = {
    "OWNER_INDEX": "cache.index",
    "AdmissionRequest": "webhook.admission",
    "BackoffPolicy": "backoff",
    "Cache": "cache.cache",
    "CertificateFiles": "serve.certificates",
    "Certificates": "serve.certificates",
    "Client": "client.client",
    "Context": "controller.typed",
    "Controller": "controller.controller",
    "ControllerOptions": "controller.options",
    "ConversionError": "webhook.conversion",
    "DeleteOptions": "client.options",
    "ElectionOptions": "leader.lease",
    "ElectionThread": "leader.thread",
    "Event": "cache.event",
    "EventRecorder": "events.recorder",
    "EventType": "cache.event",
    "Expectations": "controller.expectations",
    "FieldSelector": "codec.selectors",
    "Finalizer": "controller.finalizers",
    "HttpTransport": "transport.http",
    "HubAndSpokes": "webhook.conversion",
    "Informer": "cache.informer",
    "LabelSelector": "codec.selectors",
    "LeaderElector": "leader.elector",
    "ListOptions": "client.options",
    "LoopClock": "clock",
    "Manager": "manager.manager",
    "ManagerOptions": "manager.manager",
    "MetricsSecurity": "serve.metrics_server",
    "ObjectKey": "types",
    "ObjectMeta": "codec.meta",
    "PairPaths": "serve.certificates",
    "PartialObject": "codec.meta",
    "Patch": "client.options",
    "PatchType": "client.options",
    "Request": "types",
    "Resource": "types",
    "Result": "types",
    "SelfSigned": "webhook.selfsigned",
    "SelfSignedOptions": "webhook.selfsigned",
    "Server": "manager.groups",
    "Spoke": "webhook.conversion",
    "SystemClock": "clock",
    "TerminalError": "errors",
    "TransportOptions": "transport.http",
    "TypedController": "controller.typed",
    "Validator": "webhook.functions",
    "View": "controller.typed",
    "WatchOptions": "client.options",
    "WatchSpec": "cache.spec",
    "WebhookOptions": "webhook.server",
    "WebhookServer": "webhook.server",
    "WriteOptions": "client.options",
    "admission_request": "webhook.admission",
    "all_of": "controller.predicates",
    "any_of": "controller.predicates",
    "conversion_of": "webhook.bundles",
    "create_or_patch": "client.createorupdate",
    "create_or_update": "client.createorupdate",
    "deletion_changed": "controller.predicates",
    "elector_of": "leader.thread",
    "enqueue_mapped": "controller.handlers",
    "enqueue_owner": "controller.handlers",
    "enqueue_self": "controller.handlers",
    "format_time": "codec.times",
    "generation_changed": "controller.predicates",
    "load_config": "transport.kubeconfig",
    "matches_labels": "controller.predicates",
    "mutate_path": "webhook.paths",
    "mutating_configuration": "webhook.bundles",
    "owner_index": "cache.spec",
    "parse_time": "codec.times",
    "projection_only": "cache.spec",
    "reconciles": "controller.typed",
    "resource_version_changed": "controller.predicates",
    "run": "manager.signals",
    "service_hosts": "webhook.selfsigned",
    "set_controller_reference": "controller.ownership",
    "validate_path": "webhook.paths",
    "validating_configuration": "webhook.bundles",
    "view": "controller.typed",
    "webhook_server": "webhook.server",
    "without_managed_fields": "cache.transform",
}

__all__ = [
    "OWNER_INDEX",
    "AdmissionRequest",
    "BackoffPolicy",
    "Cache",
    "CertificateFiles",
    "Certificates",
    "Client",
    "Context",
    "Controller",
    "ControllerOptions",
    "ConversionError",
    "DeleteOptions",
    "ElectionOptions",
    "ElectionThread",
    "Event",
    "EventRecorder",
    "EventType",
    "Expectations",
    "FieldSelector",
    "Finalizer",
    "HttpTransport",
    "HubAndSpokes",
    "Informer",
    "LabelSelector",
    "LeaderElector",
    "ListOptions",
    "LoopClock",
    "Manager",
    "ManagerOptions",
    "MetricsSecurity",
    "ObjectKey",
    "ObjectMeta",
    "PairPaths",
    "PartialObject",
    "Patch",
    "PatchType",
    "Request",
    "Resource",
    "Result",
    "SelfSigned",
    "SelfSignedOptions",
    "Server",
    "Spoke",
    "SystemClock",
    "TerminalError",
    "TransportOptions",
    "TypedController",
    "Validator",
    "View",
    "WatchOptions",
    "WatchSpec",
    "WebhookOptions",
    "WebhookServer",
    "WriteOptions",
    "admission_request",
    "all_of",
    "any_of",
    "conversion_of",
    "create_or_patch",
    "create_or_update",
    "deletion_changed",
    "elector_of",
    "enqueue_mapped",
    "enqueue_owner",
    "enqueue_self",
    "format_time",
    "generation_changed",
    "load_config",
    "matches_labels",
    "mutate_path",
    "mutating_configuration",
    "owner_index",
    "parse_time",
    "projection_only",
    "reconciles",
    "resource_version_changed",
    "run",
    "service_hosts",
    "set_controller_reference",
    "validate_path",
    "validating_configuration",
    "view",
    "webhook_server",
    "without_managed_fields",
]


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{module}"), name)
