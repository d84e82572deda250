"""What must hold when a simulation has come to rest: nothing is left over, and nothing goes on."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from kdl_local.apiserver.direct import Direct
from kdl_local.resources import EVENTS, PODS
from kdl_runtime.resources.registry import SERVICES
from kdl_testing.sim.gateway import Sent
from kdl_testing.sim.timeline import Timeline
from kdl_workloads.frameworks.pytorch import WORLD_SIZE
from sim.jobs import FAILED, GONE, PERMANENT, RUNNING, SUCCEEDED, SUSPENDED, SimJob
from sim.limit_rules import LimitRules
from sim.pod_rules import succeeded_indexes
from sim.records import (
    TERMINAL_PHASES,
    JobRecord,
    Object,
    Records,
    is_held,
    is_suspended,
    is_terminating,
    owner_of,
    phase_of,
    replicas_of,
    roles_of,
)
from sim.users import Users

OWN = frozenset({"configmaps", "serviceaccounts", "rolebindings", "services", "secrets"})
"""What MPIJobs have beside their pods."""


@dataclass
class FinalRules:
    direct: Direct
    records: Records
    timeline: Timeline
    limits: LimitRules
    users: Users
    lost_nodes: set[str]

    # ---- has everything come to its end

    def waits_for(self, jobs: dict[str, SimJob]) -> list[str]:
        """What has not come to its end yet, as texts; empty once the simulation is at rest."""
        return [*self._going_jobs(jobs), *self._expiring_jobs(), *self._held_pods()]

    def state(self, job: SimJob) -> str:
        """What has become of a job, in its last incarnation."""
        records = [record for record in self.records.jobs.values() if record.name == job.name]
        if not records:
            return GONE
        last = records[-1]
        if last.end is not None:
            return last.end
        if last.gone:
            return GONE
        if last.condition(SUSPENDED):
            return SUSPENDED
        return RUNNING if self._runs_in_full(last) else "unfinished"

    def _going_jobs(self, jobs: dict[str, SimJob]) -> Iterator[str]:
        for job in jobs.values():
            state = self.state(job)
            if state not in (SUCCEEDED, FAILED, GONE, SUSPENDED) and not (state == RUNNING and state in job.expected):
                yield f"job {job.name} is {state}"

    def _expiring_jobs(self) -> Iterator[str]:
        for record in self.records.jobs.values():
            if not record.gone and (record.deleted_at is not None or self._expires(record)):
                yield f"{record.title} is to go"

    def _expires(self, record: JobRecord) -> bool:
        return record.end is not None and record.policy.get("ttlSecondsAfterFinished") is not None

    def _held_pods(self) -> Iterator[str]:
        for pod in self.records.pods.values():
            job = self.records.jobs.get(pod.replica.job_uid)
            going = job is not None and not job.gone and job.end is None and not is_suspended(job.obj["spec"])
            if not pod.gone and is_held(pod.obj) and (not going or is_terminating(pod.obj)):
                yield f"{pod.title} is held by our finalizer"

    # ---- what is there at the end

    def check(self, jobs: dict[str, SimJob]) -> None:
        for text in self.waits_for(jobs):
            self.timeline.violated("at the end", text)
        for job in jobs.values():
            self._check_outcome(job)
        for record in self.records.jobs.values():
            if not record.gone:
                self._check_job(record)
        self._check_children()
        self._check_events()

    def _check_outcome(self, job: SimJob) -> None:
        state = self.state(job)
        allowed = set(job.expected)
        if any(action.kind == "suspend" for action in job.actions[-1:]):
            allowed.add(SUSPENDED)
        if job.name in self.users.dismissed or job.namespace != "default":
            allowed.add(GONE)
        if state not in allowed:
            self.timeline.violated(f"job {job.name}", f"ends as {state} and not as {' or '.join(sorted(allowed))}")
        if job.name in self.users.dismissed and self.direct.find(job.resource, job.namespace, job.name) is not None:
            self.timeline.violated(f"job {job.name}", "was deleted by its user and is still there")

    def _check_job(self, record: JobRecord) -> None:
        if record.end is None:
            self.limits.check_late(record)
            self._check_world(record)
        else:
            self.limits.check_expired(record)
        status, first = record.status, record.status.get("firstFailure") or {}
        message = (status.get("conditions") or [{"message": ""}])[-1]["message"]
        ends = {(pod.own_end or {}).get("exitCode") for pod in self.records.pods_of(record.uid)}
        by_failure = record.end == FAILED and "replica(s) failed" in message and PERMANENT in ends
        if by_failure and first.get("exitCode") != PERMANENT:
            self.timeline.violated(record.title, f"its first failure is not what ended it: {first}")
        for role, counts in (status.get("replicaStatuses") or {}).items():
            self._check_counts(record, role, counts or {})

    def _check_world(self, record: JobRecord) -> None:
        """The pods of an elastic job agree on how many they are."""
        spec = record.obj["spec"]
        wanted = str(sum(replicas_of(spec, role) for role in roles_of(spec)))
        for pod in self.records.pods_of(record.uid):
            known = pod.obj["metadata"]["annotations"].get(WORLD_SIZE, wanted)
            if record.is_elastic and not pod.gone and not is_terminating(pod.obj) and known != wanted:
                self.timeline.violated(pod.title, f"takes itself for one of {known}, and there are {wanted}")

    def _check_counts(self, record: JobRecord, role: str, counts: Object) -> None:
        active, succeeded = counts.get("active", 0), counts.get("succeeded", 0)
        running = [pod for pod in self._pods(record, role) if phase_of(pod) == "Running" and not is_terminating(pod)]
        if record.end is None and active != len(running):
            self.timeline.violated(record.title, f"says that {active} {role} pods are active, and {len(running)} are")
        if record.end == SUCCEEDED and active:
            self.timeline.violated(record.title, f"has succeeded with {active} active {role} pods")
        known = [i for i in succeeded_indexes(record.status, role) if i < replicas_of(record.obj["spec"], role)]
        if succeeded < len(known) and len(record.specs) == 1:
            self.timeline.violated(record.title, f"counts {succeeded} successes of {role}, and knows {known}")

    def _check_children(self) -> None:
        for resource in (PODS, SERVICES):
            for child in self.direct.list(resource):
                owner = owner_of(child)
                if owner is not None and not self._is_on_lost_node(child):
                    title = f"{resource.kind} {child['metadata']['namespace']}/{child['metadata']['name']}"
                    self._check_child(title, child, self.records.jobs.get(owner["uid"]))

    def _check_child(self, title: str, child: Object, job: JobRecord | None) -> None:
        if job is None or job.gone:
            self.timeline.violated(title, "is left over from a job that is gone")
            return
        service = "ports" in child["spec"] or "clusterIP" in child["spec"]
        if job.condition(SUSPENDED) or (job.end is not None and service):
            self.timeline.violated(title, f"is left over although its job is {job.end or SUSPENDED}")
        elif job.end is not None:
            policy, ended = job.policy.get("cleanPodPolicy"), phase_of(child) in TERMINAL_PHASES
            stopped = job.end == FAILED and bool(job.policy.get("stopOnFailure"))
            if policy == "All" or ((policy == "Running" or stopped) and not ended):
                self.timeline.violated(title, f"is left over although cleanPodPolicy is {policy}")

    def _check_events(self) -> None:
        """A job ends once, and says so once."""
        told: dict[tuple[str, str], int] = {}
        for event in self.direct.list(EVENTS):
            about, reason = event.get("regarding") or event.get("involvedObject") or {}, event.get("reason", "")
            if about.get("uid") in self.records.jobs and reason.endswith(("JobSucceeded", "JobFailed")):
                key = (about["uid"], reason)
                count = (event.get("series") or {}).get("count") or event.get("count") or 1
                told[key] = told.get(key, 0) + count
        for (uid, reason), count in told.items():
            if count > 1:
                self.timeline.violated(self.records.jobs[uid].title, f"tells {count} times of {reason}")

    def check_quiet(self, requests: list[Sent]) -> None:
        """``requests`` of the operator in an hour in which nothing happened. It may look once whether each object of a
        job that it does not watch is still there, and a Secret, which it may not read, once for each job."""
        jobs = sum(not job.gone and job.end is None for job in self.records.jobs.values())
        counts = Counter(request for request in map(_look, requests) if request is not None)
        repeated = [look for look, count in counts.items() if count > (jobs if look.startswith("POST") else 1)]
        others = [str(request) for request in requests if _look(request) is None]
        if others or repeated:
            some = ", ".join([*others, *repeated][:5])
            self.timeline.violated("operator", f"sends {len(requests)} requests while nothing happens: {some}")

    def check_nothing_is_written(self, requests: list[Sent]) -> None:
        """``requests`` of an operator that sees again what it has dealt with. One that has just started asks for what
        it does not watch by trying to create it."""
        writes = [request for request in requests if request.method != "GET" and not _asks(request)]
        if writes:
            some = ", ".join(map(str, writes[:5]))
            self.timeline.violated("operator", f"writes {len(writes)} times at a second look: {some}")

    def _runs_in_full(self, record: JobRecord) -> bool:
        for role in roles_of(record.obj["spec"]):
            running = [pod for pod in self._pods(record, role) if phase_of(pod) == "Running"]
            done = [i for i in succeeded_indexes(record.status, role) if i < replicas_of(record.obj["spec"], role)]
            if len(running) + len(done) != replicas_of(record.obj["spec"], role) or any(map(is_terminating, running)):
                return False
        return record.condition(RUNNING)

    def _pods(self, record: JobRecord, role: str) -> list[Object]:
        pods = self.records.pods_of(record.uid)
        return [pod.obj for pod in pods if not pod.gone and pod.replica.role == role.lower()]

    def _is_on_lost_node(self, child: Object) -> bool:
        return is_terminating(child) and child["spec"].get("nodeName") in self.lost_nodes


def _asks(request: Sent) -> bool:
    return request.method == "POST" and request.path.split("/")[-1] in OWN


def _look(request: Sent) -> str | None:
    """What the request looks at; None if it is no look at an object that is not watched."""
    reads = request.method == "GET" and request.path.split("/")[-2] in OWN
    return str(request) if reads or (_asks(request) and request.path.endswith("/secrets")) else None
