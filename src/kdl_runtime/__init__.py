"""A controller runtime: client, cache, queue, controllers and their manager.

The names below are the public face. They are loaded when they are first used, so that whoever needs the errors or the
codec alone does not import an HTTP client.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kdl_runtime.cache.cache import Cache
    from kdl_runtime.cache.informer import Informer
    from kdl_runtime.cache.spec import WatchSpec
    from kdl_runtime.client.client import Client
    from kdl_runtime.controller.controller import Controller
    from kdl_runtime.controller.expectations import Expectations
    from kdl_runtime.controller.finalizers import Finalizer
    from kdl_runtime.controller.options import ControllerOptions
    from kdl_runtime.controller.ownership import set_controller_reference
    from kdl_runtime.controller.typed import Context, TypedController, View, reconciles, view
    from kdl_runtime.errors import TerminalError
    from kdl_runtime.events.recorder import EventRecorder
    from kdl_runtime.leader.elector import LeaderElector
    from kdl_runtime.leader.lease import ElectionOptions
    from kdl_runtime.leader.thread import ElectionThread
    from kdl_runtime.manager.groups import Server
    from kdl_runtime.manager.manager import Manager, ManagerOptions
    from kdl_runtime.types import ObjectKey, Request, Resource, Result

_MODULES = {
    "Cache": "cache.cache",
    "Client": "client.client",
    "Context": "controller.typed",
    "Controller": "controller.controller",
    "ControllerOptions": "controller.options",
    "ElectionOptions": "leader.lease",
    "ElectionThread": "leader.thread",
    "EventRecorder": "events.recorder",
    "Expectations": "controller.expectations",
    "Finalizer": "controller.finalizers",
    "Informer": "cache.informer",
    "LeaderElector": "leader.elector",
    "Manager": "manager.manager",
    "ManagerOptions": "manager.manager",
    "ObjectKey": "types",
    "Request": "types",
    "Resource": "types",
    "Result": "types",
    "Server": "manager.groups",
    "TerminalError": "errors",
    "TypedController": "controller.typed",
    "View": "controller.typed",
    "WatchSpec": "cache.spec",
    "reconciles": "controller.typed",
    "set_controller_reference": "controller.ownership",
    "view": "controller.typed",
}

__all__ = [
    "Cache",
    "Client",
    "Context",
    "Controller",
    "ControllerOptions",
    "ElectionOptions",
    "ElectionThread",
    "EventRecorder",
    "Expectations",
    "Finalizer",
    "Informer",
    "LeaderElector",
    "Manager",
    "ManagerOptions",
    "ObjectKey",
    "Request",
    "Resource",
    "Result",
    "Server",
    "TerminalError",
    "TypedController",
    "View",
    "WatchSpec",
    "reconciles",
    "set_controller_reference",
    "view",
]


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{module}"), name)
