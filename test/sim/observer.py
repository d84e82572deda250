"""Sees every write of the API server as it happens, keeps records, asks the rules, and tells the timeline."""

from dataclasses import dataclass

from kdl_local.apiserver.storage import Entry
from kdl_local.apiserver.types import ResourceType
from kdl_local.pods import condition
from kdl_testing.sim.gateway import ACTOR
from kdl_testing.sim.timeline import Timeline
from sim.job_rules import JobRules
from sim.jobs import FRAMEWORKS, SUCCEEDED
from sim.pod_rules import PodRules
from sim.records import (
    TERMINAL_PHASES,
    JobRecord,
    Object,
    PodRecord,
    Records,
    Replica,
    is_held,
    is_of_a_job,
    is_terminating,
    outcome_of,
    phase_of,
)

OPERATOR = "operator"
JOB_KINDS = frozenset(FRAMEWORKS)


@dataclass
class Observer:
    records: Records
    timeline: Timeline
    pods: PodRules
    jobs: JobRules

    def __call__(self, type_: ResourceType, entry: Entry, gone: bool) -> None:
        """As the API server's registry calls it after each write."""
        obj, kind = type_.from_storage(entry.object), type_.resource.kind
        if kind == "Pod":
            self._pod(obj, gone)
        elif kind in JOB_KINDS:
            self._job(obj, gone)
        elif kind == "Service":
            self._service(obj, gone)
        elif kind == "Node":
            self._node(obj, gone)

    def _pod(self, obj: Object, gone: bool) -> None:
        replica, uid = Replica.of(obj), obj["metadata"]["uid"]
        if replica is None:
            if ACTOR.get() == OPERATOR:
                self.pods.foreign_touched("pod", obj)
            return
        job, pod = self.records.jobs.get(replica.job_uid), self.records.pods.get(uid)
        if pod is None:
            pod = self.records.pods[uid] = PodRecord(replica, obj, self.records.now(), gone)
            self._tell(f"{pod.title} is created")
            self.pods.created(pod, job)
            return
        before, pod.obj, pod.gone = pod.obj, obj, gone
        if pod.ended is None and phase_of(obj) in TERMINAL_PHASES:
            pod.ended = self.records.now()
        if pod.started is None and phase_of(obj) == "Running":
            pod.started = self.records.now()
        pod.forced |= pod.ended is None and obj["metadata"].get("deletionGracePeriodSeconds") == 0
        self._tell_pod_change(pod, before)
        if pod.succeeded:
            self.jobs.truly_succeeded.add((replica.job_uid, replica.role.lower(), replica.index))
        self.pods.changed(pod, job, before)
        if ACTOR.get() == OPERATOR:
            self.pods.deleted_by_operator(pod, job, before)
        if job is not None and not job.gone and job.end is None:
            self.jobs.limits.failed_again(job)

    def _job(self, obj: Object, gone: bool) -> None:
        uid, now = obj["metadata"]["uid"], self.records.now()
        job = self.records.jobs.get(uid)
        if job is None:
            job = self.records.jobs[uid] = JobRecord(obj, now, [(now, obj["spec"])])
            self._tell(f"{job.title} is created")
            return
        before, job.obj, job.gone = job.obj, obj, gone
        if before["spec"] != obj["spec"]:
            job.specs.append((now, obj["spec"]))
            self._tell(f"{job.title}: its spec changes")
        self._tell_job_change(job, before)
        self.jobs.changed(job, before)
        job.end = job.end or outcome_of(job.status)
        if job.deleted_at is None and (gone or is_terminating(obj)):
            job.deleted_at = now
            if ACTOR.get() == OPERATOR:
                self.jobs.limits.deleted_by_operator(job)

    def _service(self, obj: Object, gone: bool) -> None:
        if ACTOR.get() != OPERATOR:
            return
        replica = Replica.of(obj)
        if replica is None and is_of_a_job(obj):
            return
        if replica is None:
            self.pods.foreign_touched("service", obj)
        elif gone or is_terminating(obj):
            self._tell(f"service {obj['metadata']['name']} is deleted")
            self.pods.service_deleted_by_operator(obj, self.records.jobs.get(replica.job_uid))

    def _node(self, obj: Object, gone: bool) -> None:
        name, found = obj["metadata"]["name"], condition(obj, "Ready")
        ready = not gone and found is not None and found["status"] == "True"
        if self.records.nodes.get(name, (None, 0.0))[0] != ready:
            self.records.nodes[name] = (ready, self.records.now())
            self._tell(f"node {name} is {'ready' if ready else 'lost'}")

    # ---- for people

    def _tell(self, text: str) -> None:
        self.timeline.add(ACTOR.get(), text)

    def _tell_pod_change(self, pod: PodRecord, before: Object) -> None:
        if not self.timeline.keep:
            return
        told = []
        if phase_of(before) != phase_of(pod.obj):
            told.append(f"{phase_of(before)} -> {phase_of(pod.obj)}")
            if pod.own_end is not None:
                told.append(f"exit code {pod.own_end['exitCode']}")
        if not before["spec"].get("nodeName") and pod.obj["spec"].get("nodeName"):
            told.append(f"on node {pod.obj['spec']['nodeName']}")
        if PodRecord(pod.replica, before, 0.0).restarts != pod.restarts:
            told.append(f"restart {pod.restarts} of its container")
        if is_terminating(pod.obj) and not is_terminating(before):
            grace = pod.obj["metadata"].get("deletionGracePeriodSeconds")
            told.append(f"is deleted with a grace period of {grace} s")
        if is_held(before) and not is_held(pod.obj):
            told.append("is let go")
        if pod.gone:
            told.append("is gone")
        if told:
            self._tell(f"{pod.title}: {', '.join(told)}")

    def _tell_job_change(self, job: JobRecord, before: Object) -> None:
        if not self.timeline.keep:
            return
        old, new = before.get("status") or {}, job.status
        if old != new:
            states = [f"{item['type']}={item['status']}" for item in new.get("conditions") or ()]
            counts = {
                role: {name: value for name, value in (of or {}).items() if name != "selector"}
                for role, of in (new.get("replicaStatuses") or {}).items()
            }
            told = f"{' '.join(states)}; {counts}; attempts {new.get('attempts', 0)}"
            self._tell(f"{job.title}: {told}")
        if is_terminating(job.obj) and not is_terminating(before):
            self._tell(f"{job.title}: is deleted, finalizers {job.obj['metadata'].get('finalizers')}")
        if job.gone:
            self._tell(f"{job.title}: is gone{'' if job.end == SUCCEEDED else f' ({job.end})'}")
