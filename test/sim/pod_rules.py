"""What must hold of pods and services at every write, whoever writes."""

from dataclasses import dataclass, field

from kdl_testing.sim.timeline import Timeline
from kdl_workloads.dialects.indexes import parse_indexes
from sim.jobs import FAILED, SUCCEEDED
from sim.limit_rules import STALE, Troubles
from sim.records import (
    TERMINAL_PHASES,
    JobRecord,
    Object,
    PodRecord,
    Records,
    Replica,
    image_of,
    is_held,
    is_suspended,
    is_terminating,
    phase_of,
    replicas_of,
    waits_for,
)

NODE_MEMORY = 10.0
"""Seconds for which a node that has become ready again may still be taken for a lost one."""


@dataclass
class PodRules:
    records: Records
    timeline: Timeline
    troubles: Troubles
    succeeded: dict[tuple[Replica, int], str] = field(default_factory=dict)
    """By replica and attempt of the whole job the UID of the pod that has succeeded."""

    def created(self, pod: PodRecord, job: JobRecord | None) -> None:
        """Pods are made once at a time, never for what is over, and only as the spec wants them."""
        replica, now = pod.replica, self.records.now()
        others = [other for other in self.records.pods_of(replica.job_uid) if other.replica == replica]
        if any(not other.gone and other is not pod for other in others):
            self._violated(pod, "is created beside another pod of the same replica")
        done = self.succeeded.get((replica, pod.attempt), pod.uid)
        if done != pod.uid:
            self._violated(pod, f"runs a replica again that has succeeded in pod {done}")
        if not is_held(pod.obj):
            self._violated(pod, "has no finalizer, so its end could be missed")
        if job is None or job.gone:
            return
        self._others_have_come_far_enough(pod, job)
        if pod.attempt != job.attempt:
            self._violated(pod, f"is of attempt {pod.attempt}, and its job of attempt {job.attempt}")
        if any(not other.gone and other.attempt < pod.attempt for other in self.records.pods_of(job.uid)):
            self._violated(pod, "meets a pod of an earlier attempt")
        specs, image = list(job.specs_since(self.troubles.oldest_view(now))), pod.obj["spec"]["containers"][0]["image"]
        if job.end is not None:
            self._violated(pod, f"is created although its job has {job.end}")
        elif all(is_suspended(spec) for spec in specs):
            self._violated(pod, "is created although its job is suspended")
        elif all(replica.index >= replicas_of(spec, replica.role) for spec in specs):
            self._violated(pod, "is created although its job has fewer replicas")
        elif image not in {image_of(spec, replica.role, replica.index) for spec in specs}:
            self._violated(pod, f"is created with image {image}, which is not its replica's any more")

    def _others_have_come_far_enough(self, pod: PodRecord, job: JobRecord) -> None:
        """Each replica that the user has this one wait for has come to its phase in this attempt."""
        for wait in waits_for(job.obj["spec"], pod.replica.role):
            fewest = min(replicas_of(spec, wait["upstream"]) for spec in job.specs_since(pod.born - STALE))
            for index in range(fewest):
                upstream = Replica(job.uid, wait["upstream"].lower(), index)
                if not any(
                    other.succeeded or (other.started is not None and wait["onPhase"] != SUCCEEDED)
                    for other in self.records.pods_of(job.uid)
                    if other.replica == upstream and other.attempt == pod.attempt
                ):
                    self._violated(pod, f"does not wait for {wait['upstream']} {index}")

    def changed(self, pod: PodRecord, job: JobRecord | None, before: Object) -> None:
        """A pod is let go only when what it ended with has been kept."""
        if pod.succeeded:
            self.succeeded.setdefault((pod.replica, pod.attempt), pod.uid)
        released = is_held(before) and (pod.gone or not is_held(pod.obj))
        if released and job is not None and not job.gone and job.end is None and job.deleted_at is None:
            self._released(pod, job)

    def _released(self, pod: PodRecord, job: JobRecord) -> None:
        replica = pod.replica
        if pod.attempt < job.attempt:
            return
        if any(replica.index >= replicas_of(spec, replica.role) for spec in job.specs_since(pod.born)):
            return
        if phase_of(pod.obj) == SUCCEEDED and replica.index not in self._kept(job, replica.role):
            self._violated(pod, "is let go before its success is in the status of its job")
        if pod.own_end is not None and not pod.ambiguous and pod.uid not in (job.status.get("countedPods") or ()):
            self._violated(pod, "is let go before its failure is in the status of its job")

        settled, attempts = self.records.settled_failures(job), job.status.get("attempts", 0)
        if attempts < settled:
            self._violated(pod, f"is let go, and its job counts {attempts} failures where there were {settled}")

    def deleted_by_operator(self, pod: PodRecord, job: JobRecord | None, before: Object) -> None:
        """The operator takes a pod away only for a reason, and by force only from a node that is lost."""
        if is_terminating(before):
            forced = pod.gone or pod.obj["metadata"].get("deletionGracePeriodSeconds") == 0
            was_forced = before["metadata"].get("deletionGracePeriodSeconds") == 0
            if forced and not was_forced and not self._may_be_forced(before):
                self._violated(pod, "is taken away by force although its node is there")
            return
        if not pod.gone and not is_terminating(pod.obj):
            return
        if job is None or job.gone or job.deleted_at is not None:
            return
        ended = phase_of(before) in TERMINAL_PHASES
        if job.end is not None:
            policy = job.policy.get("cleanPodPolicy")
            seen = self.troubles.oldest_view(self.records.now())
            known_to_have_ended = pod.ended is not None and pod.ended < seen
            known_to_run = pod.started is not None and pod.started < seen
            stopped = job.end == FAILED and job.policy.get("stopOnFailure") and not known_to_run
            if (policy == "None" and not stopped) or (policy == "Running" and known_to_have_ended):
                self._violated(pod, f"is deleted although cleanPodPolicy is {policy}")
            return
        specs = list(job.specs_since(pod.born))
        surplus = any(pod.replica.index >= replicas_of(spec, pod.replica.role) for spec in specs)
        stale = pod.attempt < job.attempt
        if not (ended or surplus or stale or any(is_suspended(spec) for spec in specs)):
            self._violated(pod, f"is deleted although it is {phase_of(before)} and its job goes on")

    def _may_be_forced(self, before: Object) -> bool:
        ready, since = self.records.nodes.get(before["spec"].get("nodeName", ""), (False, 0.0))
        return phase_of(before) in TERMINAL_PHASES or not ready or self.records.now() - since < NODE_MEMORY

    def service_deleted_by_operator(self, service: Object, job: JobRecord | None) -> None:
        if job is None or job.gone or job.end is not None or job.deleted_at is not None:
            return
        replica = Replica.of(service)
        specs = list(job.specs_since(self.records.virtual(service["metadata"]["creationTimestamp"])))
        surplus = replica and any(replica.index >= replicas_of(spec, replica.role) for spec in specs)
        if not (surplus or any(is_suspended(spec) for spec in specs)):
            title = f"service {service['metadata']['namespace']}/{service['metadata']['name']}"
            self.timeline.violated(title, "is deleted although its job goes on")

    def foreign_touched(self, kind: str, obj: Object) -> None:
        """The operator writes to nothing that is not its own."""
        meta = obj["metadata"]
        self.timeline.violated(f"{kind} {meta['namespace']}/{meta['name']}", "belongs to others, and is written to")

    def _kept(self, job: JobRecord, role: str) -> frozenset[int]:
        return succeeded_indexes(job.status, role)

    def _violated(self, pod: PodRecord, text: str) -> None:
        self.timeline.violated(pod.title, text)


def succeeded_indexes(status: Object, role: str) -> frozenset[int]:
    roles: Object = status.get("replicaStatuses") or {}
    found: Object = next((value or {} for name, value in roles.items() if name.lower() == role.lower()), {})
    return parse_indexes(str(found.get("succeededIndexes") or ""))
