"""The reconciler of the jobs of one kind in one API group: read, decide, apply."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any

from kdl_runtime.cache.informer import Informer
from kdl_runtime.client.client import Client
from kdl_runtime.clock import Clock
from kdl_runtime.codec.meta import PartialObject
from kdl_runtime.errors import Conflict, NotFound
from kdl_runtime.types import ObjectKey, Request, Result, parse_api_version
from kdl_workloads.api.podtemplate import claim_errors, template_errors
from kdl_workloads.dialects.base import SpecError
from kdl_workloads.engine.apply import Applier, JobGoneError, Recorder
from kdl_workloads.engine.blocks import Blocks
from kdl_workloads.engine.claims import claim_owner
from kdl_workloads.engine.decide import decide
from kdl_workloads.engine.extension import Extension
from kdl_workloads.engine.judgement import judged_nodes
from kdl_workloads.engine.lost import earliest_look, is_forced, suspects
from kdl_workloads.engine.metrics import JobMetrics
from kdl_workloads.engine.nodes import node_conditions, node_states
from kdl_workloads.engine.observed import Observed, Workload
from kdl_workloads.engine.ownership import is_ours
from kdl_workloads.engine.pacing import Pacing
from kdl_workloads.engine.plan import Plan
from kdl_workloads.engine.pod import Pod
from kdl_workloads.engine.view import JobView
from kdl_workloads.job import Job, ReplicaSpec

JOB_INDEX = "job"
PAUSE = 0.2
"""Seconds. The change that made a conflict is on its way through the watch."""
MIN_WAIT = 0.001
"""Seconds. A time that has come while the plan was carried out still needs another look."""
MAX_ERRORS = 3
"""Errors of pod templates that are told at once."""


def job_index(child: PartialObject) -> Iterable[str]:
    """Kind, namespace and name of the job that controls a pod or service. By name and not by UID, so that what a job
    of the same name has left behind is found too."""
    owner = child.metadata.controller
    if owner is None:
        return ()
    group, _ = parse_api_version(owner.api_version)
    return (_index_value(group, owner.kind, child.metadata.namespace, owner.name),)


def claim_index(claim: PartialObject) -> Iterable[str]:
    """Kind, namespace and name of the job that a claim was made for: claims that outlive their job have no owner."""
    owner = claim_owner(claim)
    return () if owner is None else (_index_value(owner[0], claim.metadata.namespace, owner[1]),)


def _index_value(*parts: str) -> str:
    return "/".join(parts)


@dataclass(frozen=True, slots=True)
class Sources:
    """What is read from the cache. ``pods``, ``services`` and ``claims`` have the index ``JOB_INDEX``."""

    jobs: Informer[JobView]
    pods: Informer[Pod]
    services: Informer[PartialObject]
    claims: Informer[PartialObject]


@dataclass(frozen=True, slots=True)
class Services:
    """What a reconciler works with, the same for all kinds."""

    client: Client
    events: Recorder
    clock: Clock
    metrics: JobMetrics
    extensions: Sequence[Extension] = ()


@dataclass(frozen=True, slots=True)
class _Check:
    """What the pod templates of one generation of a job are worth."""

    uid: str
    generation: int
    problem: str


@dataclass(frozen=True, slots=True)
class _Made:
    """When the further objects of one generation of a job were last seen to."""

    uid: str
    generation: int
    at: datetime


class JobReconciler:
    """``reconcile`` is what a controller calls. What it keeps in memory may be lost: refusals, checked specs, and
    when the kind's own objects were last seen to."""

    def __init__(self, workload: Workload, sources: Sources, services: Services) -> None:
        self._workload = workload
        self._sources = sources
        self._services = services
        self._applier = Applier(services.client, services.events, workload, services.metrics.children)
        self._tracker = services.metrics.tracker(workload.framework.kind, workload.framework_name)
        self._blocks = Blocks(services.clock)
        self._pacing = Pacing(services.clock)
        self._checks: dict[Request, _Check] = {}
        self._extras: dict[Request, _Made] = {}

    def delay(self, request: Request) -> float:
        """Seconds for which a change of one of the job's pods or services waits for further ones."""
        return self._pacing.delay(request)

    async def reconcile(self, request: Request) -> Result | None:
        view = self._sources.jobs.get(request)
        if view is None:
            self._forget(request)
            self._tracker.forget(request)
            orphans = self._pods(request)
            await self._release_orphans(request, orphans)
            return self._look_again(orphans)
        if not is_ours(self._workload.dialect, view):
            return await self._leave(request, view)
        obj = self._sources.jobs.object(request) or view.as_object()
        job, problem = self._outline(obj) if view.finished else self._decode(request, obj)
        observed = await self._observe(job, problem)
        self._tracker.begin(observed)
        self._pacing.begin(request, len(observed.pods))
        plan = self._plan(observed)
        if wait := self._pacing.hold_back(request, job.status, plan):
            return self._result(plan, wait)
        if wait := self._pacing.make_again(request, (made["metadata"]["name"] for made in plan.create_services)):
            return self._result(plan, wait)
        try:
            refusal = await self._applier.apply(obj, observed, plan)
        except Conflict:
            return Result(requeue_after=PAUSE)
        except JobGoneError:
            return None
        self._tracker.settle(obj, observed, plan.status or job.status)
        if refusal is not None:
            self._blocks.add(job, refusal)
            return Result(requeue_after=PAUSE)
        self._remember(request, job, plan)
        return self._result(plan)

    def _plan(self, observed: Observed) -> Plan:
        plan = decide(observed)
        for extension in self._services.extensions:
            plan = extension.extend(observed, plan)
        return plan

    async def _leave(self, request: Request, view: JobView) -> Result | None:
        """A job of another controller: only what an earlier job of ours of that name has left behind is seen to."""
        self._forget(request)
        self._tracker.forget(request)
        left = [pod for pod in self._pods(request) if pod.ours and not _is_owned(pod, view.metadata.uid)]
        await self._release_orphans(request, left)
        return self._look_again(left)

    def _outline(self, obj: Mapping[str, Any]) -> tuple[Job, str]:
        """A finished job. It has no roles any more: what is left to do for it does not depend on them."""
        return self._workload.dialect.outline(obj, self._workload.framework), ""

    def _decode(self, request: Request, obj: Mapping[str, Any]) -> tuple[Job, str]:
        """The job, and what is wrong with it; with a problem the job is but an outline."""
        dialect, framework = self._workload.dialect, self._workload.framework
        try:
            job = dialect.decode(obj, framework)
        except SpecError as error:
            return dialect.outline(obj, framework), str(error)
        if job.deleting:
            return job, ""
        check = self._checks.get(request)
        if check is None or (check.uid, check.generation) != (job.uid, job.generation):
            check = _Check(job.uid, job.generation, self._template_problem(job))
            self._checks[request] = check
        return (job, "") if not check.problem else (dialect.outline(obj, framework), check.problem)

    def _template_problem(self, job: Job) -> str:
        field = f"spec.{self._workload.framework.replica_specs_field}"
        errors = (error for role, spec in job.roles.items() for error in _spec_errors(spec, f"{field}.{role}"))
        return "; ".join(islice(errors, MAX_ERRORS))

    async def _observe(self, job: Job, problem: str) -> Observed:
        now = self._services.clock.now()
        pods = self._pods(job.key)
        own = [pod for pod in pods if _is_owned(pod, job.uid)]
        if len(own) < len(pods):
            await self._release_orphans(job.key, [pod for pod in pods if not _is_owned(pod, job.uid)])
        services = self._sources.services.by_index(JOB_INDEX, self._index_value(job.key))
        observed = Observed(
            workload=self._workload,
            job=job,
            now=now,
            pods=own,
            services=[service for service in services if _is_owned(service, job.uid)],
            claims=self._sources.claims.by_index(JOB_INDEX, _index_value(job.kind, job.namespace, job.name)),
            nodes=await node_states(self._services.client, suspects(own, now)),
            problem=problem,
            block=self._blocks.of(job),
            extras_at=self._extras_at(job),
        )
        judged = await node_conditions(self._services.client, judged_nodes(observed))
        return replace(observed, node_conditions=judged)

    async def _release_orphans(self, request: Request, pods: Sequence[Pod]) -> None:
        """Let pods go whose job is gone: nothing keeps their outcome. The API server is asked first, because a cache
        that lags would show the same. Those whose node is lost are taken away: the next job needs their names."""
        await self._take_away_lost(pods)
        held = [pod for pod in pods if pod.held]
        if not held:
            return
        try:
            job = await self._services.client.get(self._workload.resource, request, as_=PartialObject)
        except NotFound:
            await self._applier.release(held)
            return
        await self._applier.release([pod for pod in held if not _is_owned(pod, job.metadata.uid)])

    async def _take_away_lost(self, pods: Sequence[Pod]) -> None:
        now = self._services.clock.now()
        nodes = await node_states(self._services.client, suspects(pods, now))
        lost = (pod for pod in pods if pod.terminating and is_forced(pod, nodes, now))
        await self._applier.take_away(pod for pod in lost if pod.ours)

    def _look_again(self, pods: Sequence[Pod]) -> Result | None:
        wait = self._until(earliest_look(pods, self._services.clock.now()))
        return None if wait is None else Result(requeue_after=wait)

    def _pods(self, request: Request) -> list[Pod]:
        return self._sources.pods.by_index(JOB_INDEX, self._index_value(request))

    def _index_value(self, key: ObjectKey) -> str:
        resource = self._workload.resource
        return _index_value(resource.group, resource.kind, key.namespace, key.name)

    def _remember(self, request: Request, job: Job, plan: Plan) -> None:
        if (plan.status or job.status).finished:
            self._forget(request)
        elif plan.create_pods or plan.create_services or plan.extras:
            self._blocks.clear(request)
            if plan.extras:
                self._extras[request] = _Made(job.uid, job.generation, self._services.clock.now())

    def _extras_at(self, job: Job) -> datetime | None:
        made = self._extras.get(job.key)
        return made.at if made is not None and (made.uid, made.generation) == (job.uid, job.generation) else None

    def _forget(self, request: Request) -> None:
        self._blocks.clear(request)
        self._checks.pop(request, None)
        self._extras.pop(request, None)
        self._pacing.forget(request)

    def _result(self, plan: Plan, wait: float | None = None) -> Result | None:
        """Looks again when the plan asks for it, or after ``wait`` seconds, whatever comes first."""
        waits = [seconds for seconds in (wait, self._until(plan.requeue_at)) if seconds is not None]
        return Result(requeue_after=min(waits)) if waits else None

    def _until(self, time: datetime | None) -> float | None:
        return None if time is None else max((time - self._services.clock.now()).total_seconds(), MIN_WAIT)


def _spec_errors(spec: ReplicaSpec, path: str) -> Iterator[str]:
    """What Kubernetes would refuse of the pods and claims of a role."""
    yield from template_errors(spec.template, f"{path}.template")
    for position, group in enumerate(spec.groups):
        yield from template_errors(group.template, f"{path}.groups[{position}].template")
    for position, claim in enumerate(spec.claims):
        yield from claim_errors(claim, f"{path}.volumeClaimTemplates[{position}]")


def _is_owned(child: PartialObject, uid: str) -> bool:
    owner = child.metadata.controller
    return owner is not None and owner.uid == uid
