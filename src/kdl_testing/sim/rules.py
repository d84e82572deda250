"""What must hold of every operator, whatever it does: of its caches, its workers and its queues."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from kdl_runtime.cache.event import Event, EventType
from kdl_runtime.cache.informer import Informer
from kdl_runtime.codec.json import DecodeError, decoder, encode
from kdl_runtime.codec.meta import PartialObject
from kdl_runtime.observe.tracing import NO_SPAN, Attributes, NoSpan
from kdl_runtime.types import ObjectKey, Request, Resource
from kdl_testing.sim.process import Life, Process
from kdl_testing.sim.world import World


@dataclass
class _Told:
    """What the handlers of one informer of one life were told."""

    informer: Informer[Any]
    objects: dict[ObjectKey, PartialObject] = field(default_factory=dict)
    changed: dict[ObjectKey, int] = field(default_factory=dict)
    """When each object was last told of, on the scale of ``Rules.next_moment``."""


class _Reconciliation(NoSpan):
    """One call of a reconciler, as the tracer of a process sees it."""

    def __init__(self, rules: "ProcessRules", work: tuple[str, Request]) -> None:
        self._rules = rules
        self._work = work

    def __enter__(self) -> "_Reconciliation":
        self._rules.begins(self._work)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._rules.ends(self._work)


class ProcessRules:
    """The rules for one process, and its tracer, from which they know when a reconciler works."""

    def __init__(self, world: World, name: str) -> None:
        self._world = world
        self._name = name
        self._moments = itertools.count()
        self._told: dict[Resource, _Told] = {}
        self._all: list[_Told] = []
        self._begun: dict[tuple[str, Request], int] = {}
        self._in_work: set[tuple[str, Request]] = set()
        self.restored = False
        """Whether the store was set back in this life, which excuses a cache that goes back."""
        self.reconciliations = 0

    # ---- the tracer

    def reconciliation(self, controller: str, attributes: Attributes) -> _Reconciliation:
        request = Request(str(attributes["k8s.namespace.name"]), str(attributes["kdl_runtime.object.name"]))
        return _Reconciliation(self, (controller, request))

    def request(self, method: str, path: str, attributes: Attributes) -> NoSpan:
        return NO_SPAN

    def begins(self, work: tuple[str, Request]) -> None:
        if work in self._in_work:
            self._world.violated(self._name, f"two workers of {work[0]} have {work[1]} at the same time")
        self._in_work.add(work)
        self._begun[work] = next(self._moments)
        self.reconciliations += 1
        self._world.timeline.add(self._name, f"{work[0]} reconciles {work[1]}")

    def ends(self, work: tuple[str, Request]) -> None:
        self._in_work.discard(work)

    # ---- caches

    def attach(self, life: Life) -> None:
        """A new life begins: look at what its informers tell."""
        self._told, self._all, self._begun, self.restored = {}, [], {}, False
        self._in_work.clear()
        for informer in life.manager.cache.informers:
            told = _Told(informer)
            self._told.setdefault(informer.spec.resource, told)
            self._all.append(told)
            informer.add_handler(self._listener(told))

    def _listener(self, told: _Told) -> Any:
        spec = told.informer.spec
        # What leaves the selection looks deleted, and may come back.
        whole = not (spec.label_selector or spec.field_selector)
        gone: set[str] = set()

        def listen(event: Event[PartialObject]) -> None:
            obj = event.object
            key, known = obj.metadata.key, told.objects.get(obj.metadata.key)
            told.changed[key] = next(self._moments)
            if event.old is not known:
                self._violated(spec, key, f"is told as {event.type} from a state that was not told before")
            if event.type is EventType.DELETED:
                told.objects.pop(key, None)
                if whole:
                    gone.add(obj.metadata.uid)
                return
            told.objects[key] = obj
            if self.restored:
                return
            if known is not None and int(obj.metadata.resource_version) <= int(known.metadata.resource_version):
                versions = f"{known.metadata.resource_version} to {obj.metadata.resource_version}"
                self._violated(spec, key, f"goes back from resourceVersion {versions}")
            if obj.metadata.uid in gone:
                self._violated(spec, key, "comes back after its deletion was told")

        return listen

    def _violated(self, spec: Any, key: ObjectKey, text: str) -> None:
        self._world.violated(self._name, f"in the cache of {spec} {key} {text}")

    # ---- at rest

    def problems(self, process: Process, reconciled: dict[str, Resource]) -> Iterator[str]:
        """What still keeps a process from being at rest."""
        life = process.life
        if life is None or not life.runs:
            yield f"{process.name} does not run"
            return
        for told in self._all:
            yield from self._cache_problems(told)
        if not life.leads:
            return
        depth = sum(
            sample.value for metric in life.manager.metrics.workqueue_depth.collect() for sample in metric.samples
        )
        if depth:
            yield f"{process.name} has {depth:.0f} keys in its queues"
        for work in sorted(self._in_work):
            yield f"{process.name}: {work[0]} still works on {work[1]}"
        for controller, resource in reconciled.items():
            yield from self._unreconciled(controller, resource)

    def _cache_problems(self, told: _Told) -> Iterator[str]:
        informer = told.informer
        spec = informer.spec
        if not informer.synced:
            yield f"{self._name}: the cache of {spec} has no first list ({informer.trouble})"
            return
        if informer.trouble:
            yield f"{self._name}: the watch on {spec} is in trouble: {informer.trouble}"
        expected: dict[ObjectKey, str] = {}
        unreadable: set[ObjectKey] = set()
        project = decoder(spec.projection)
        for namespace in spec.namespaces or ("",):
            for obj in self._world.direct.list(spec.resource, namespace, spec.label_selector, spec.field_selector):
                meta = obj["metadata"]
                key = ObjectKey(meta.get("namespace") or "", meta["name"])
                expected[key] = meta["resourceVersion"]
                try:
                    project(encode(obj))
                except DecodeError:
                    unreadable.add(key)
        shown = {obj.metadata.key: obj.metadata.resource_version for obj in informer.list()}
        for key in sorted(expected.keys() | shown.keys()):
            if key in unreadable:
                continue
            if expected.get(key) != shown.get(key):
                yield f"{self._name}: the cache of {spec} has {key} as {shown.get(key)}, and it is {expected.get(key)}"
            elif told.objects.get(key) is not informer.get(key):
                yield f"{self._name}: the handlers of {spec} were not told of {key} as it is"

    def _unreconciled(self, controller: str, resource: Resource) -> Iterator[str]:
        told = self._told.get(resource)
        for key, changed in told.changed.items() if told is not None else ():
            begun = self._begun.get((controller, key))
            if begun is None and told is not None and key not in told.objects:
                # It went before this process led.
                continue
            if begun is None or begun < changed:
                yield f"{self._name}: {controller} has not looked at {key} since its last change"
