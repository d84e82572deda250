"""Carrying out a plan: the only part of the engine that writes to the API server.

The order is the guarantee. The status comes first, and if it is not stored nothing else is done: a pod is let go only
after its outcome has been kept. Then the kind's own objects, services, claims, pods, and then what is to go.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from kdl_runtime.client.client import Client
from kdl_runtime.client.options import DeleteOptions, Patch, PatchType, Preconditions, WriteOptions
from kdl_runtime.codec.patch import apply_merge, merge_diff
from kdl_runtime.controller.finalizers import removal_patch
from kdl_runtime.errors import AlreadyExists, ApiError, Conflict, Invalid, KdlError, NotFound
from kdl_runtime.resources.registry import PERSISTENT_VOLUME_CLAIMS, PODS, SERVICES
from kdl_runtime.types import ObjectKey, Resource, parse_api_version
from kdl_workloads.engine.metrics import ChildMetrics
from kdl_workloads.engine.observed import Observed, Workload
from kdl_workloads.engine.parallel import in_parallel, slow_start
from kdl_workloads.engine.plan import NORMAL, WARNING, Delete, Note, Plan
from kdl_workloads.engine.pod import OUTCOME_FINALIZER, STOP_DEADLINE, Pod
from kdl_workloads.framework import Extra
from kdl_workloads.job import Job, JobStatus

Object = Mapping[str, Any]


class Recorder(Protocol):
    """What is used of ``EventRecorder``."""

    def event(self, regarding: Object, type_: str, reason: str, message: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Refusal:
    """The API server has refused a child. ``fatal``: it would refuse the same child whenever it comes."""

    reason: str
    message: str
    fatal: bool = False


class JobGoneError(KdlError):
    """The job, or its namespace, is no longer there: nothing is left to do for it."""


class Applier:
    """Carries out plans for the jobs of one kind in one API group. It keeps nothing between plans."""

    def __init__(self, client: Client, events: Recorder, workload: Workload, metrics: ChildMetrics) -> None:
        self._client = client
        self._events = events
        self._workload = workload
        self._metrics = metrics

    async def apply(self, obj: Object, observed: Observed, plan: Plan) -> Refusal | None:
        """``obj`` is the stored object that ``observed`` was decoded from.

        A refusal is returned if a child was refused; children after it were not tried. Conflict if the job has changed
        since it was read (nothing was done then), JobGoneError if it is gone. Any other error is raised as it came,
        after the requests that were under way have ended.
        """
        job = observed.job
        if plan.status is not None:
            await self._store_status(obj, job, plan.status)
        for note in plan.notes:
            self._tell(obj, note)
        refusal = await self._ensure(obj, observed, plan.extras)
        refusal = refusal or await self._create(obj, job, SERVICES, plan.create_services)
        refusal = refusal or await self._create(obj, job, PERSISTENT_VOLUME_CLAIMS, plan.create_claims)
        refusal = refusal or await self._create(obj, job, PODS, plan.create_pods)
        await self.release(plan.release)
        await in_parallel(plan.stop_pods, self._stop_one)
        await self._delete(obj, job, PODS, plan.delete_pods)
        await self._delete(obj, job, SERVICES, plan.delete_services)
        await self._delete(obj, job, PERSISTENT_VOLUME_CLAIMS, plan.delete_claims)
        if plan.delete_job:
            await self._delete_one(self._workload.resource, job, Delete(job.name, job.uid))
        return refusal

    async def release(self, pods: Iterable[Pod]) -> None:
        """Takes the outcome finalizer from pods. One that is gone, or whose finalizers have changed, is left alone: its
        change comes as an event. A Conflict is raised: no event need follow it, and a pod that is never let go holds
        its job for ever."""
        await in_parallel([pod for pod in pods if pod.held], self._release_one)

    async def take_away(self, pods: Iterable[Pod]) -> None:
        """Deletes pods of a job that is gone, without the consent of their nodes."""
        await in_parallel(list(pods), self._take_away_one)

    async def _store_status(self, obj: Object, job: Job, status: JobStatus) -> None:
        patch = status_patch(self._workload, obj, job, status)
        if patch is None:
            return
        # Counters are only right if nobody has written since they were read.
        body = {"metadata": {"resourceVersion": obj["metadata"]["resourceVersion"]}, "status": patch}
        options = WriteOptions(subresource="status")
        try:
            await self._client.patch(self._workload.resource, job.key, Patch(PatchType.MERGE, body), options)
        except NotFound as error:
            raise JobGoneError(error.message) from error

    async def _ensure(self, obj: Object, observed: Observed, extras: Iterable[Extra]) -> Refusal | None:
        """Creates what is not there, and brings up to date what is, as far as it may change."""
        made_before = observed.extras_at is not None
        for extra in extras:
            refusal = await self._ensure_one(observed.job, extra, made_before=made_before)
            if refusal is not None:
                self._tell(obj, Note(WARNING, refusal.reason, f"Error creating: {refusal.message}"))
                return refusal
        return None

    async def _ensure_one(self, job: Job, extra: Extra, *, made_before: bool) -> Refusal | None:
        """One request for an object that is as it should be, if it was made before."""
        key = ObjectKey(job.namespace, str(extra.body["metadata"]["name"]))
        if extra.secret is not None:
            made = await self._make(job, extra.resource, {**extra.body, **extra.secret()})
            return made if isinstance(made, Refusal) else None
        found = await self._find(extra.resource, key) if made_before else None
        if found is None:
            made = await self._make(job, extra.resource, extra.body)
            if isinstance(made, Refusal):
                return made
            if made or (found := await self._find(extra.resource, key)) is None:
                return None
        if (foreign := _refused_as_foreign(job, extra.resource, found)) is not None:
            return foreign
        if not extra.once and merge_diff(found, apply_merge(found, extra.body)) is not None:
            await self._client.patch(extra.resource, key, Patch(PatchType.MERGE, extra.body))
        return None

    async def _find(self, resource: Resource, key: ObjectKey) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = await self._client.get(resource, key)
        except NotFound:
            return None
        return found

    async def _create(self, obj: Object, job: Job, resource: Resource, children: Sequence[Object]) -> Refusal | None:
        done = await slow_start(children, partial(self._create_one, job, resource), _is_accepted)
        self._tell_of_pods(
            obj, "Create", resource, [str(child["metadata"]["name"]) for child, result in done if result is True]
        )
        refusals = [result for _, result in done if isinstance(result, Refusal)]
        self._count(resource, sum(result is True for _, result in done), len(refusals))
        refusal = next((refusal for refusal in refusals if refusal.fatal), refusals[0] if refusals else None)
        if refusal is not None:
            self._tell(obj, Note(WARNING, refusal.reason, f"Error creating: {refusal.message}"))
        return refusal

    async def _create_one(self, job: Job, resource: Resource, child: Object) -> Refusal | bool:
        """Whether it was created; false for one that was there already and is the job's own."""
        made = await self._make(job, resource, child)
        return made or await self._owned_by_other(job, resource, str(child["metadata"]["name"])) or False

    async def _make(self, job: Job, resource: Resource, child: Object) -> Refusal | bool:
        """Whether it was created; false for one that was there already, whosever it is."""
        kind, name = resource.kind, str(child["metadata"]["name"])
        try:
            await self._client.create(resource, child)
        except AlreadyExists:
            return False
        except Invalid as error:
            return Refusal(f"FailedCreate{kind}", f"{kind} {name} is refused: {error.message}", fatal=True)
        except NotFound as error:
            raise JobGoneError(error.message) from error
        except ApiError as error:
            # Quota, pod security, webhooks: a rule of this cluster. 429 and 5xx are about the server and not the pod.
            if not 400 <= error.status_code < 429:
                raise
            return Refusal(f"FailedCreate{kind}", f"{kind} {name} cannot be created: {error.message}")
        return True

    async def _owned_by_other(self, job: Job, resource: Resource, name: str) -> Refusal | None:
        """None for a child of this job that the cache has not shown yet, for one that has just gone, and for a claim
        that nobody controls."""
        found = await self._find(resource, ObjectKey(job.namespace, name))
        return None if found is None else _refused_as_foreign(job, resource, found)

    async def _delete(self, obj: Object, job: Job, resource: Resource, children: Sequence[Delete]) -> None:
        deleted = await in_parallel(children, partial(self._delete_one, resource, job))
        names = [child.name for child, was_there in zip(children, deleted, strict=True) if was_there]
        if resource == PODS:
            self._metrics.deleted_pods.inc(len(names))
        self._tell_of_pods(obj, "Delete", resource, names)

    async def _delete_one(self, resource: Resource, job: Job, child: Delete) -> bool:
        """Whether it was there."""
        return await self._delete_from(resource, job.namespace, child)

    async def _take_away_one(self, pod: Pod) -> bool:
        return await self._delete_from(PODS, pod.metadata.namespace, Delete(pod.name, pod.uid, 0))

    async def _delete_from(self, resource: Resource, namespace: str, child: Delete) -> bool:
        """Asks for the delete and does not wait for its end; false if this very object is not there."""
        options = DeleteOptions(
            grace_period_seconds=child.grace_period_seconds,
            propagation="Background",
            preconditions=Preconditions(uid=child.uid),
        )
        try:
            await self._client.delete(resource, ObjectKey(namespace, child.name), options)
        except (NotFound, Conflict):
            return False
        return True

    async def _stop_one(self, pod: Pod) -> None:
        body = {"metadata": {"uid": pod.uid}, "spec": {"activeDeadlineSeconds": STOP_DEADLINE}}
        try:
            await self._client.patch(PODS, pod.key, Patch(PatchType.MERGE, body))
        except (NotFound, Invalid):
            # A Conflict is raised: a pod that nobody stops runs on for ever, and no event need follow.
            return

    async def _release_one(self, pod: Pod) -> None:
        try:
            await self._client.patch(PODS, pod.key, removal_patch(pod.metadata, OUTCOME_FINALIZER))
        except (NotFound, Invalid):
            return
        # Each pod is let go once, whatever becomes of the operator meanwhile.
        if pod.status.phase == "Failed" and not pod.terminating:
            self._metrics.failed_pods.inc()

    def _count(self, resource: Resource, created: int, refused: int) -> None:
        if resource == PODS:
            self._metrics.created_pods.inc(created)
        elif resource == SERVICES:
            self._metrics.created_services.inc(created)
            self._metrics.failed_services.inc(refused)

    def _tell_of_pods(self, obj: Object, verb: str, resource: Resource, names: Sequence[str]) -> None:
        """One event for all pods of a pass. Services come and go with their pods and are not worth a request."""
        if names and resource == PODS:
            self._tell(obj, Note(NORMAL, f"Successful{verb}Pod", f"{verb}d {_named(names)}"))

    def _tell(self, obj: Object, note: Note) -> None:
        self._events.event(obj, note.type, note.reason, note.message)


def status_patch(workload: Workload, obj: Object, job: Job, status: JobStatus) -> dict[str, Any] | None:
    """The merge patch of the stored ``status``; None if it says so already. Fields that the dialect neither writes nor
    has ever written are left alone."""
    stored: Object = obj.get("status") or {}
    after = workload.dialect.encode_status(job, status)
    known = {*after, *workload.dialect.encode_status(job, job.status)}
    return merge_diff({name: value for name, value in stored.items() if name in known}, after)


def _refused_as_foreign(job: Job, resource: Resource, found: Object) -> Refusal | None:
    """None for an object of this job, and for a claim that nobody controls."""
    name = found["metadata"]["name"]
    references = found["metadata"].get("ownerReferences") or ()
    owner: Object = next((reference for reference in references if reference.get("controller")), {})
    if owner.get("uid") == job.uid or (resource == PERSISTENT_VOLUME_CLAIMS and not owner):
        return None
    same_kind = owner.get("kind") == job.kind and _group(owner["apiVersion"]) == _group(job.api_version)
    if same_kind and owner["name"] == job.name:
        message = f"{resource.kind} {name} of an earlier {job.kind} {job.name} is still there, and is being deleted"
        return Refusal(f"FailedCreate{resource.kind}", message)
    whose = f"belongs to {owner['kind']} {owner['name']} of {owner['apiVersion']}" if owner else "belongs to no job"
    way_out = "delete it, or give the job another name"
    return Refusal("NameConflict", f"{resource.kind} {name} exists and {whose}: {way_out}")


def _group(api_version: str) -> str:
    return parse_api_version(api_version)[0]


def _is_accepted(result: Refusal | bool) -> bool:
    return not isinstance(result, Refusal)


def _named(pods: Sequence[str]) -> str:
    """``pod: a`` for one, ``3 pods: a, b, c`` for some, the first and the last of many."""
    if len(pods) == 1:
        return f"pod: {pods[0]}"
    listed = ", ".join(pods) if len(pods) <= _LISTED else f"{pods[0]} to {pods[-1]}"
    return f"{len(pods)} pods: {listed}"


_LISTED = 8
