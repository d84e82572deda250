"""Controllers that get their objects ready made: as dicts, msgspec structs or pydantic models, chosen per watch.

A ``View`` says which watch, and what its objects are read as. Views of one watch share it: there is one connection and
one copy of the objects, and a model is decoded when it is read. Two forms make the same ``TypedController``::

    greetings = view(GREETINGS, Greeting)
    texts = view(WatchSpec(CONFIGMAPS, label_selector="app=greeting"))

    @reconciles(greetings, owns=[texts])
    async def greeting(context: Context, obj: Greeting) -> None:
        text = context.read(texts).get(context.request)

    greeting = TypedController("greeting", greetings, reconcile).owns(texts)

and ``manager.add(greeting)`` runs it. Underneath is a ``Controller``, with its guarantees.
"""

import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, Self, TypeVar, cast, overload

import msgspec

from kdl_runtime.cache.cache import Cache
from kdl_runtime.cache.informer import Informer
from kdl_runtime.cache.spec import WatchSpec
from kdl_runtime.client.client import Client
from kdl_runtime.clock import Clock
from kdl_runtime.codec.json import decoder
from kdl_runtime.codec.meta import PartialObject
from kdl_runtime.controller.controller import Controller, Delay
from kdl_runtime.controller.handlers import Handler
from kdl_runtime.controller.options import ControllerOptions
from kdl_runtime.controller.predicates import Predicate
from kdl_runtime.errors import NotDeclaredError, TerminalError
from kdl_runtime.events.recorder import EventRecorder
from kdl_runtime.types import ObjectKey, Request, Resource, Result

T = TypeVar("T")


class ViewError(TerminalError):
    """A stored object does not fit the model that it is read as. Trying again cannot help before it changes."""


@dataclass(frozen=True, slots=True)
class View(Generic[T]):
    """The objects of a watch, read as ``model``: ``dict``, a ``msgspec.Struct`` or a pydantic model.

    ``predicates`` and ``delay`` are those of ``Controller.watches``; they, and handlers, see the projection of the
    spec. Make one with ``view``.
    """

    spec: WatchSpec[Any]
    model: type[T]
    predicates: tuple[Predicate, ...] = ()
    delay: Delay | None = None

    def when(self, *predicates: Predicate) -> "View[T]":
        """The same, where only events that pass these predicates too cause a reconciliation."""
        return replace(self, predicates=(*self.predicates, *predicates))

    def after(self, delay: Delay) -> "View[T]":
        """The same, where events of a key wait for further ones."""
        return replace(self, delay=delay)

    def __str__(self) -> str:
        return f"{self.spec} as {self.model.__name__}"


@overload
def view(watch: Resource | WatchSpec[Any]) -> View[dict[str, Any]]: ...
@overload
def view(watch: Resource | WatchSpec[Any], model: type[T]) -> View[T]: ...
def view(watch: Resource | WatchSpec[Any], model: type[Any] = dict) -> View[Any]:
    """All objects of a resource, or those that a ``WatchSpec`` selects, as ``model``; each read gives an object of its
    own. Except for the projection of the spec itself: that is shared, and costs nothing to read.

    TypeError for a model that is neither ``dict``, nor a ``msgspec.Struct``, nor a pydantic model.
    """
    spec: WatchSpec[Any] = WatchSpec(watch) if isinstance(watch, Resource) else watch
    _decoder(spec, model)
    return View(spec, model)


class Reader(Generic[T]):
    """Reads from the cache, as the model of a view. Never waits and never reaches the API server.

    ViewError for an object that does not fit the model.
    """

    def __init__(self, view: View[T], informer: Informer[Any]) -> None:
        self.informer = informer
        self._decode = _decoder(view.spec, view.model)

    def get(self, key: ObjectKey) -> T | None:
        """None for an object that is not there."""
        if self.informer.get(key) is None:
            return None
        return cast(T, self._decode(self.informer, key))

    def by_index(self, index: str, value: str) -> list[T]:
        """The objects under one value of an index of the spec. NotDeclaredError for another."""
        return self._all(self.informer.by_index(index, value))

    def _all(self, found: Iterable[PartialObject]) -> list[T]:
        return [cast(T, self._decode(self.informer, obj.key)) for obj in found]

    def list(self, namespace: str = "") -> list[T]:
        """All objects, or those of one namespace."""
        return self._all(self.informer.list(namespace))


@dataclass(frozen=True, slots=True)
class Context:
    """What a typed reconciler works with, for one reconciliation of ``request``."""

    request: Request
    client: Client
    events: EventRecorder
    clock: Clock
    readers: "Readers"

    def read(self, view: View[T]) -> Reader[T]:
        """The reader of a declared view. NotDeclaredError for another; it says what to declare."""
        return self.readers.of(view)


TypedReconciler = Callable[[Context, T], Awaitable[Result | None]]
"""As ``Reconciler``, with the object itself. It is not called for one that is gone: what has to be done then is done
before, by a ``Finalizer``, or by the garbage collection."""

Decode = Callable[[Informer[Any], ObjectKey], object]


class Host(Protocol):
    """The part of the manager that a typed controller needs."""

    client: Client
    cache: Cache
    events: EventRecorder
    clock: Clock
    rng: random.Random


class Readers:
    """The readers of one controller, by view."""

    def __init__(self, controller: str) -> None:
        self._controller = controller
        self._readers: dict[tuple[Resource, str, type[Any]], Reader[Any]] = {}

    def add(self, view: View[T], informer: Informer[Any]) -> Reader[T]:
        return self._readers.setdefault(_identity(view), Reader(view, informer))

    def of(self, view: View[T]) -> Reader[T]:
        reader = self._readers.get(_identity(view))
        if reader is None:
            raise NotDeclaredError(
                f"controller {self._controller!r} reads {view}, which it does not declare: "
                "add the view to its owns, watches or reads"
            )
        return reader


class TypedController(Generic[T]):
    """A controller for the objects of ``for_``. ``name`` labels metrics and logs and is unique in a manager.

    It can be called like the reconciler, so that a test can hand it a context and an object.
    """

    def __init__(
        self, name: str, for_: View[T], reconcile: TypedReconciler[T], options: ControllerOptions | None = None
    ) -> None:
        self.name = name
        self._for = for_
        self._reconcile = reconcile
        self._options = options
        self._owned: list[View[Any]] = []
        self._watched: list[tuple[View[Any], Handler]] = []
        self._read: list[View[Any]] = []

    def owns(self, *views: View[Any]) -> Self:
        """Reconcile the object that controls a changed object of these."""
        self._owned += views
        return self

    def watches(self, view: View[Any], handler: Handler) -> Self:
        """Reconcile what ``handler`` names for each event of the view."""
        self._watched.append((view, handler))
        return self

    def reads(self, *views: View[Any]) -> Self:
        """Keep these in the cache, to be read; their changes cause nothing."""
        self._read += views
        return self

    async def __call__(self, context: Context, obj: T) -> Result | None:
        return await self._reconcile(context, obj)

    def build(self, host: Host) -> Controller:
        """Declare the watches; ``Manager.add`` does this.

        ValueError when a watch is declared in another way already: views of one watch need one ``WatchSpec``.
        """
        readers = Readers(self.name)

        def declare(view: View[Any]) -> Informer[Any]:
            informer = host.cache.declare(view.spec)
            readers.add(view, informer)
            return informer

        objects = readers.add(self._for, host.cache.declare(self._for.spec))

        async def reconcile(request: Request) -> Result | None:
            obj = objects.get(request)
            if obj is None:
                return None
            return await self._reconcile(Context(request, host.client, host.events, host.clock, readers), obj)

        built = Controller(self.name, reconcile, self._options)
        built.for_(objects.informer, *self._for.predicates, delay=self._for.delay)
        for view in self._owned:
            built.owns(declare(view), *view.predicates, delay=view.delay)
        for view, handler in self._watched:
            built.watches(declare(view), handler, *view.predicates, delay=view.delay)
        for view in self._read:
            built.reads(declare(view))
        return built


def reconciles(
    for_: View[T],
    *,
    owns: Iterable[View[Any]] = (),
    watches: Iterable[tuple[View[Any], Handler]] = (),
    reads: Iterable[View[Any]] = (),
    options: ControllerOptions | None = None,
) -> Callable[[TypedReconciler[T]], TypedController[T]]:
    """Makes a ``TypedController`` out of the function below, and calls it by that function's name with dashes."""

    def decorate(reconcile: TypedReconciler[T]) -> TypedController[T]:
        name = getattr(reconcile, "__name__", type(reconcile).__name__).replace("_", "-")
        built = TypedController(name, for_, reconcile, options).owns(*owns).reads(*reads)
        for view, handler in watches:
            built.watches(view, handler)
        return built

    return decorate


def _identity(view: View[Any]) -> tuple[Resource, str, type[Any]]:
    return view.spec.resource, view.spec.watch_name, view.model


def _decoder(spec: WatchSpec[Any], model: type[Any]) -> Decode:
    """How an object of the watch becomes a ``model``."""
    if model is spec.projection:
        return lambda informer, key: informer.get(key)
    if spec.shrink is not None:
        raise TypeError(
            f"{spec} cannot be read as {model.__name__}: its shrink keeps no JSON; "
            f"read it as {spec.projection.__name__}, or declare it without shrink"
        )
    if model is dict:
        return lambda informer, key: informer.object(key)
    if isinstance(model, type) and issubclass(model, msgspec.Struct):
        if {field.encode_name for field in msgspec.structs.fields(model)}.isdisjoint(_LEFT_OUT_IN_LISTS):
            from_json = decoder(model)
            return _checked(model, lambda informer, key: from_json(informer.raw(key) or b""))
        return _checked(model, lambda informer, key: msgspec.convert(informer.object(key), model))
    # By its shape, so that pydantic is only loaded by those who use it.
    validate = getattr(model, "model_validate", None)
    if validate is None:
        raise TypeError(
            f"{spec} cannot be read as {getattr(model, '__name__', model)}: "
            "a model is dict, a msgspec.Struct, or a pydantic BaseModel"
        )
    return _checked(model, lambda informer, key: validate(informer.object(key)))


_LEFT_OUT_IN_LISTS = frozenset({"apiVersion", "kind"})


def _checked(model: type[Any], decode: Decode) -> Decode:
    def checked(informer: Informer[Any], key: ObjectKey) -> object:
        try:
            return decode(informer, key)
        except ValueError as error:
            # Both libraries say which field, and what is wrong with it.
            raise ViewError(f"{informer.spec.resource.kind} {key} does not fit {model.__name__}: {error}") from error

    return checked
