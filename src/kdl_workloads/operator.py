"""Wiring: which watches and controllers an operator consists of."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import structlog

from kdl_runtime.cache.cache import Cache
from kdl_runtime.cache.event import Event
from kdl_runtime.cache.informer import Informer
from kdl_runtime.cache.spec import WatchSpec, projection_only
from kdl_runtime.codec.meta import PartialObject
from kdl_runtime.controller.controller import Controller
from kdl_runtime.controller.handlers import enqueue_mapped
from kdl_runtime.controller.options import ControllerOptions
from kdl_runtime.manager.manager import Manager
from kdl_runtime.resources.registry import PERSISTENT_VOLUME_CLAIMS, PODS, SERVICES
from kdl_runtime.types import Request, Resource
from kdl_workloads.dialects.base import Dialect
from kdl_workloads.dialects.registry import dialect_for
from kdl_workloads.engine.claims import claim_owner
from kdl_workloads.engine.metrics import JobMetrics
from kdl_workloads.engine.observed import Workload
from kdl_workloads.engine.ownership import only_ours
from kdl_workloads.engine.pod import Pod
from kdl_workloads.engine.reconciler import JOB_INDEX, JobReconciler, Services, Sources, claim_index, job_index
from kdl_workloads.engine.view import JobView, remains
from kdl_workloads.framework import Framework
from kdl_workloads.frameworks import registry
from kdl_workloads.progress.reporting import EndpointOptions, Reporting

P = TypeVar("P", bound=PartialObject)
Index = Callable[[P], Iterable[str]]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class OperatorOptions:
    """``workloads``: which kinds to run, by the rules of ``frameworks.registry.enabled``. ``namespaces``: only jobs in
    these; empty means all. ``max_concurrent_reconciles``: jobs of one kind that are worked on at the same time; they
    share one process, so more helps only while requests are slow. ``plugins``: kinds by name, None for the built-in
    ones and those of installed packages. ``late_kinds``: run kinds whose CRD comes after the start, too, within 30 s;
    two requests a minute for each API group of which a CRD is missing. ``progress``: take reports of jobs by HTTP; None
    takes them by annotation only."""

    workloads: str = registry.AUTO
    namespaces: tuple[str, ...] = ()
    max_concurrent_reconciles: int = 8
    plugins: Mapping[str, Framework] | None = None
    late_kinds: bool = True
    progress: EndpointOptions | None = None


def build(manager: Manager, options: OperatorOptions, served: Collection[Resource]) -> list[Controller]:
    """Declare the watches, and add one controller per kind and API group to the manager, named
    ``<kind in lower case>-<dialect>``. The manager is ready once every watch on what is served has its first list.

    ``served`` is what the API server serves now. A kind whose CRD comes later has its controller too, which begins
    then.
    """
    known = registry.frameworks() if options.plugins is None else options.plugins
    workloads = _workloads(registry.enabled(options.workloads, served, known))
    everything = {of.resource(version) for of in known.values() for version in of.stored_versions()}
    selected = _workloads(registry.enabled(options.workloads, everything, known))
    missing = [workload for workload in selected if workload.resource not in {run.resource for run in workloads}]
    metrics = JobMetrics(manager.metrics.registry)
    manager.add(metrics.lead)
    reporting = Reporting(manager, options.progress)
    services = Services(manager.client, manager.events, manager.clock, metrics, reporting.extensions)
    late = missing if options.late_kinds else []
    if late:
        kinds = sorted(f"{workload.framework.kind}.{workload.dialect.api_version}" for workload in late)
        log.info("the CRDs of these kinds are not installed yet: run `kdl crds --install` to run them", kinds=kinds)
    controllers = []
    for workload in (*workloads, *late):
        jobs = manager.cache.declare(_job_watch(workload.resource, options, required=workload.resource in served))
        controller = _controller(manager.cache, jobs, workload, services, options)
        manager.add(controller)
        reporting.add(workload.resource, jobs)
        controllers.append(controller)
    return controllers


def needs_reconcile(event: Event[JobView]) -> bool:
    """Drops updates of a job's status alone. They are this operator's own, and what follows from one has been done in
    the pass that wrote it. Labels and annotations say nothing any more once the job has finished."""
    if event.old is None or event.new is None:
        return True
    old, new = event.old.metadata, event.new.metadata
    if event.new.finished:
        return (old.generation, old.deletion_timestamp) != (new.generation, new.deletion_timestamp)
    return (old.generation, old.deletion_timestamp, old.labels, old.annotations) != (
        new.generation,
        new.deletion_timestamp,
        new.labels,
        new.annotations,
    )


def _workloads(pairs: Iterable[tuple[Framework, str]]) -> list[Workload]:
    return [Workload(framework, dialect_for(version)) for framework, version in pairs]


def _job_watch(resource: Resource, options: OperatorOptions, *, required: bool) -> WatchSpec[JobView]:
    return WatchSpec(resource, JobView, namespaces=options.namespaces, shrink=remains, required=required)


def _controller(
    cache: Cache, jobs: Informer[JobView], workload: Workload, services: Services, options: OperatorOptions
) -> Controller:
    sources = Sources(
        jobs,
        pods=_children(cache, WatchSpec(PODS, Pod), workload.dialect, options),
        services=_children(cache, WatchSpec(SERVICES), workload.dialect, options),
        claims=_children(cache, WatchSpec(PERSISTENT_VOLUME_CLAIMS), workload.dialect, options, claim_index),
    )
    reconciler = JobReconciler(workload, sources, services)
    kind = workload.framework.kind
    jobs.add_handler(only_ours(workload.dialect, partial(services.metrics.follow, kind)))
    name = f"{kind.lower()}-{workload.dialect.name}"
    controller_options = ControllerOptions(max_concurrent_reconciles=options.max_concurrent_reconciles)
    controller = Controller(name, reconciler.reconcile, controller_options)
    controller.for_(jobs, needs_reconcile)
    controller.watches(sources.claims, enqueue_mapped(partial(_claimants, workload)), delay=reconciler.delay)
    controller.owns(sources.pods, delay=reconciler.delay).owns(sources.services, delay=reconciler.delay)
    return controller


def _claimants(workload: Workload, claim: PartialObject) -> list[Request]:
    """The job that a claim was made for."""
    kind, name = claim_owner(claim) or ("", "")
    return [Request(claim.metadata.namespace, name)] if kind == workload.framework.kind else []


def _children(
    cache: Cache, spec: WatchSpec[P], dialect: Dialect, options: OperatorOptions, index: Index[P] = job_index
) -> Informer[P]:
    """The watch on the pods, services or claims of all jobs of a dialect: those with its labels and no others, and of
    each only the fields that decide."""
    return cache.declare(
        replace(
            spec,
            name=f"{spec.resource.plural}-{dialect.name}",
            namespaces=options.namespaces,
            label_selector=dialect.job_selector(),
            indexes={JOB_INDEX: index},
            shrink=projection_only,
        )
    )
