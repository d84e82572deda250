"""The users of a simulated cluster: they submit jobs, and change their minds. Others have pods of their own there."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from kdl_local.apiserver.direct import Direct
from kdl_local.resources import PODS
from kdl_runtime.clock import Clock
from kdl_runtime.codec.times import parse_time
from kdl_runtime.errors import ApiError, NotFound
from kdl_runtime.resources.registry import SERVICES
from kdl_testing.sim.timeline import Timeline
from kdl_workloads.framework import WORKER
from sim.jobs import SimJob, UserAction
from sim.records import Object, owner_of
from sim.scenario import NameConflict

POLL = 0.5
EARLY = 0.1
CONTAINER = {"name": "main", "image": "none"}


@dataclass
class Users:
    """``dismissed``: names of the jobs that were deleted for good."""

    direct: Direct
    clock: Clock
    timeline: Timeline
    dismissed: set[str] = field(default_factory=set)

    async def use(self, job: SimJob) -> None:
        """Submits a job, and does with it all that is planned."""
        await self.clock.sleep(job.submitted)
        if not self._create(job):
            return
        done = 0.0
        for action in job.actions:
            await self.clock.sleep(action.at - done)
            done = action.at
            with suppress(NotFound):
                await self._act(job, action)

    async def _act(self, job: SimJob, action: UserAction) -> None:
        self.timeline.add("user", f"{action.kind} {job.name} {action.value or ''}")
        match action.kind:
            case "delete":
                self.dismissed.add(job.name)
                self._delete(job, action.value)
            case "resubmit":
                await self._resubmit(job, action.value)
            case "rerun":
                await self._wait_for_expiry(job)
                await self.clock.sleep(max(EARLY + action.value, 0.0))
                await self._resubmit(job, "Background")
            case "suspend" | "resume":
                self._patch(job, {"runPolicy": {"suspend": action.kind == "suspend"}})
            case "scale":
                self._patch(job, {job.specs_field: {WORKER: {"replicas": action.value}}})
            case "bounce":
                for pod in self._workers(job):
                    self.direct.delete(PODS, job.namespace, pod["metadata"]["name"])
            case "edit":
                specs = job.manifest()["spec"][job.specs_field]
                for spec in specs.values():
                    spec["template"]["spec"]["containers"][0]["image"] = action.value
                self._patch(job, {job.specs_field: specs})

    async def _resubmit(self, job: SimJob, propagation: str) -> None:
        with suppress(NotFound):
            self._delete(job, propagation)
        while self.direct.find(job.resource, job.namespace, job.name) is not None:
            await self.clock.sleep(POLL)
        self._create(job)

    async def _wait_for_expiry(self, job: SimJob) -> None:
        """Until shortly before the job's time to live is over; NotFound if it goes before it has finished."""
        while "completionTime" not in (status := self._status(job)):
            await self.clock.sleep(POLL)
        lived = (self.clock.now() - parse_time(status["completionTime"])).total_seconds()
        await self.clock.sleep(max(job.policy["ttlSecondsAfterFinished"] - lived - EARLY, 0.0))

    def _status(self, job: SimJob) -> Object:
        status: Object = self.direct.get(job.resource, job.namespace, job.name).get("status") or {}
        return status

    def _workers(self, job: SimJob) -> list[Object]:
        pods = [pod for pod in self.direct.list(PODS, job.namespace) if (owner_of(pod) or {}).get("name") == job.name]
        return [pod for pod in pods if "-worker-" in pod["metadata"]["name"]]

    def _create(self, job: SimJob) -> bool:
        try:
            self.direct.create(job.resource, job.manifest())
        except ApiError as error:
            # Its namespace has been deleted.
            self.timeline.add("user", f"cannot submit {job.name}: {error}")
            return False
        return True

    def _delete(self, job: SimJob, propagation: str) -> None:
        self.direct.delete(job.resource, job.namespace, job.name, propagation=propagation)

    def _patch(self, job: SimJob, spec: dict[str, Any]) -> None:
        self.direct.patch(job.resource, job.namespace, job.name, {"spec": spec})

    def touch_everything(self, jobs: Iterable[SimJob]) -> None:
        """Changes something of each job and each pod that no decision depends on."""
        seen = {"metadata": {"annotations": {"seen": "1"}}}
        for job in jobs:
            with suppress(NotFound):
                self.direct.patch(job.resource, job.namespace, job.name, seen)
        for pod in self.direct.list(PODS):
            self.direct.patch(PODS, pod["metadata"]["namespace"], pod["metadata"]["name"], seen)

    # ---- others

    async def occupy(self, job: SimJob, conflict: NameConflict) -> None:
        """Somebody has a pod or service of the name that the job's first worker needs, and lets go of it later."""
        resource, name = PODS if conflict.kind == "Pod" else SERVICES, f"{job.name}-worker-0"
        spec: dict[str, Any] = {"containers": [CONTAINER]} if conflict.kind == "Pod" else {"ports": [{"port": 1}]}
        self.direct.create(resource, {"metadata": {"name": name, "namespace": job.namespace}, "spec": spec})
        self.timeline.add("incident", f"{conflict.kind} {name} belongs to somebody else")
        await self.clock.sleep(conflict.span)
        self.timeline.add("incident", f"{conflict.kind} {name} is deleted by its owner")
        with suppress(NotFound):
            self.direct.delete(resource, job.namespace, name, grace_period_seconds=0)

    def settle_strangers(self, job: SimJob, count: int) -> None:
        """Pods with all the labels of the job's first worker, that no job controls."""
        prefix = "training.kubeflow.org/"
        shared = {"job-name": job.name, "replica-type": "worker", "replica-index": "0"}
        labels = {"group-name": "training.kubedl.io", **shared, **{f"{prefix}{k}": v for k, v in shared.items()}}
        for index in range(count):
            name = f"{job.name}-worker-{index + 100}"
            meta = {"name": name, "namespace": "default", "labels": labels}
            self.direct.create(PODS, {"metadata": meta, "spec": {"containers": [CONTAINER]}})
