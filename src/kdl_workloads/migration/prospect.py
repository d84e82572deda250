"""What this operator would do with a job that another one runs, said before it does it.

It is not a second set of rules: the engine's own decision is made on what is there, and the plan is read out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import ValidationError

from kdl_runtime.codec.meta import PartialObject
from kdl_runtime.types import ObjectKey
from kdl_workloads.api.podtemplate import template_errors
from kdl_workloads.dialects.base import SpecError
from kdl_workloads.engine.decide import decide
from kdl_workloads.engine.observed import Observed, Workload
from kdl_workloads.engine.plan import Plan
from kdl_workloads.engine.pod import Pod
from kdl_workloads.job import Job


class Fate(StrEnum):
    """CONTINUES: no pod of it is touched. CHANGES: pods are created or deleted, or the job ends at once; the remarks
    say why. REFUSED: its spec cannot be carried out; pods that run are left alone. FOREIGN: ``managedBy`` gives it to
    another controller. FINISHED: it has ended already."""

    CONTINUES = "Continues"
    CHANGES = "Changes"
    REFUSED = "Refused"
    FOREIGN = "Foreign"
    FINISHED = "Finished"


@dataclass(frozen=True, slots=True)
class Found:
    """A job as it is in the cluster, with the pods and services that it controls."""

    object: Mapping[str, Any]
    pods: Sequence[Pod] = ()
    services: Sequence[PartialObject] = ()


@dataclass(frozen=True, slots=True)
class Prospect:
    """``state``: type of the last condition that holds, empty before the first. ``pods``: by name, the UID of those
    that have not ended and that stay."""

    kind: str
    api_version: str
    key: ObjectKey
    state: str
    fate: Fate
    pods: Mapping[str, str]
    remarks: tuple[str, ...] = ()


def prospect(workload: Workload, found: Found, now: datetime) -> Prospect:
    """What becomes of the job in this operator's first pass over it."""
    dialect, framework = workload.dialect, workload.framework
    outline = dialect.outline(found.object, framework)
    try:
        job = outline if outline.status.finished else dialect.decode(found.object, framework)
        problem = "" if outline.status.finished else _problem(workload, job)
    except SpecError as error:
        job, problem = outline, str(error)
    observed = Observed(workload, job, now, found.pods, found.services, problem=problem)
    plan = decide(observed)
    going = {delete.name for delete in plan.delete_pods}
    return Prospect(
        kind=job.kind,
        api_version=job.api_version,
        key=job.key,
        state=_state(job),
        fate=_fate(workload, job, plan, problem),
        pods={pod.name: pod.uid for pod in found.pods if not pod.ended and pod.name not in going},
        remarks=tuple(_remarks(job, plan, problem, _unknown_fields(workload, found.object))),
    )


def _problem(workload: Workload, job: Job) -> str:
    path = f"spec.{workload.framework.replica_specs_field}"
    for role, spec in job.roles.items():
        for error in template_errors(spec.template, f"{path}.{role}.template"):
            return error
    return ""


def _state(job: Job) -> str:
    holding = [condition for condition in job.status.conditions if condition.status]
    return holding[-1].type.value if holding else ""


def _fate(workload: Workload, job: Job, plan: Plan, problem: str) -> Fate:
    if not workload.dialect.manages(job):
        return Fate.FOREIGN
    if job.status.finished:
        return Fate.FINISHED
    if problem:
        return Fate.REFUSED
    ends = plan.status is not None and plan.status.finished
    if ends or plan.create_pods or plan.delete_pods or plan.stop_pods or plan.delete_job:
        return Fate.CHANGES
    return Fate.CONTINUES


def _remarks(job: Job, plan: Plan, problem: str, unknown: Sequence[str]) -> Iterator[str]:
    if problem:
        yield problem
    if not job.status.finished and plan.status is not None and plan.status.finished:
        end = plan.status.conditions[-1]
        yield f"ends as {end.type.value}: {end.message}"
    if plan.create_pods:
        yield f"creates {_names(pod['metadata']['name'] for pod in plan.create_pods)}"
    if plan.delete_pods:
        yield f"deletes {_names(delete.name for delete in plan.delete_pods)}"
    if plan.stop_pods:
        yield f"stops {_names(pod.name for pod in plan.stop_pods)}"
    if plan.delete_job:
        yield f"deletes the job: its ttlSecondsAfterFinished ({job.run_policy.ttl_seconds_after_finished}) is over"
    if job.status.finished and plan.delete_services:
        yield f"deletes {len(plan.delete_services)} services that the finished job has left"
    if unknown and not job.status.finished:
        yield f"unknown fields, which nobody reads: {', '.join(unknown)}"


def _names(names: Iterator[str]) -> str:
    each = list(names)
    return f"{'pod' if len(each) == 1 else 'pods'} {', '.join(each)}"


def _unknown_fields(workload: Workload, obj: Mapping[str, Any]) -> list[str]:
    known = {name: obj[name] for name in ("apiVersion", "kind", "spec") if name in obj}
    try:
        workload.conventions.model.model_validate(known)
    except ValidationError as error:
        found = (item for item in error.errors(include_url=False) if item["type"] == "extra_forbidden")
        return sorted(".".join(map(str, item["loc"])) for item in found)
    return []
