"""What the API server has ever stored of jobs and pods: the truth that rules compare the operator's doings with."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kdl_runtime.codec.times import parse_time
from kdl_runtime.types import parse_api_version
from kdl_workloads.engine.pod import CONFIRMATION
from kdl_workloads.frameworks.pytorch import ELASTIC
from sim.jobs import FAILED, KUBEDL_GROUP, KUBEFLOW_GROUP, PERMANENT, RETRYABLE, SUCCEEDED

Object = Mapping[str, Any]

FINALIZER = "kdl.io/outcome"
TERMINAL_PHASES = frozenset({"Succeeded", "Failed"})
PROGRAM_EXIT_CODES = frozenset({RETRYABLE, PERMANENT})
_LABEL_PREFIX = {KUBEDL_GROUP: "", KUBEFLOW_GROUP: "training.kubeflow.org/"}


@dataclass(frozen=True, slots=True)
class Replica:
    job_uid: str
    role: str
    index: int

    @classmethod
    def of(cls, child: Object) -> "Replica | None":
        """The replica that a pod is, by its labels and its controlling owner; None for a pod of somebody else, and for
        what is the whole job's."""
        owner = owner_of(child)
        if owner is None or not is_of_a_job(child):
            return None
        prefix, labels = _LABEL_PREFIX[parse_api_version(owner["apiVersion"])[0]], child["metadata"].get("labels") or {}
        if f"{prefix}replica-type" not in labels:
            return None
        return cls(owner["uid"], labels[f"{prefix}replica-type"], int(labels[f"{prefix}replica-index"]))


def is_of_a_job(child: Object) -> bool:
    owner = owner_of(child)
    return owner is not None and parse_api_version(owner["apiVersion"])[0] in _LABEL_PREFIX


def owner_of(child: Object) -> Object | None:
    references = child["metadata"].get("ownerReferences") or ()
    return next((reference for reference in references if reference.get("controller")), None)


def is_terminating(obj: Object) -> bool:
    return "deletionTimestamp" in obj["metadata"]


def is_held(pod: Object) -> bool:
    return FINALIZER in (pod["metadata"].get("finalizers") or ())


def phase_of(pod: Object) -> str:
    return str((pod.get("status") or {}).get("phase") or "Pending")


def seconds_between(earlier: str, later: str) -> float:
    return (parse_time(later) - parse_time(earlier)).total_seconds()


@dataclass
class PodRecord:
    """``obj`` is the pod as it was last seen; ``born`` and ``ended`` are virtual times. ``forced``: it was deleted
    without a grace period while it ran, so nobody waits for how it ends. ``started``: since when it has run."""

    replica: Replica
    obj: Object
    born: float
    gone: bool = False
    ended: float | None = None
    forced: bool = False
    started: float | None = None

    @property
    def attempt(self) -> int:
        """After how many restarts of the whole job it was made."""
        return int((self.obj["metadata"].get("annotations") or {}).get("kdl.io/attempt", 0))

    @property
    def uid(self) -> str:
        return str(self.obj["metadata"]["uid"])

    @property
    def title(self) -> str:
        meta = self.obj["metadata"]
        return f"pod {meta['namespace']}/{meta['name']} ({meta['uid'][:8]})"

    @property
    def succeeded(self) -> bool:
        return phase_of(self.obj) == "Succeeded"

    @property
    def restarts(self) -> int:
        """Restarts of its container by the node."""
        return sum(status.get("restartCount", 0) for status in self._containers)

    @property
    def own_end(self) -> Object | None:
        """How its program ended by itself and for good with a failure, None if it did not."""
        ends = ((status.get("state") or {}).get("terminated") for status in self._containers)
        failures = (end for end in ends if end and end["exitCode"] in PROGRAM_EXIT_CODES)
        return next(failures, None) if phase_of(self.obj) == "Failed" else None

    @property
    def ambiguous(self) -> bool:
        """Its failure may be taken for the doing of others: it was disrupted too, or deleted in the same second, or
        deleted so soon after that nobody can tell once the node has confirmed it."""
        meta, end = self.obj["metadata"], self.own_end
        conditions = (self.obj.get("status") or {}).get("conditions") or ()
        if any(item["type"] == "DisruptionTarget" and item["status"] == "True" for item in conditions):
            return True
        if end is None or not is_terminating(self.obj):
            return False
        killed_after = seconds_between(end["finishedAt"], meta["deletionTimestamp"])
        longest: float = meta.get("deletionGracePeriodSeconds") or 0
        if not longest:
            longest = self.obj["spec"].get("terminationGracePeriodSeconds", 30) + CONFIRMATION.total_seconds()
        return killed_after <= longest

    @property
    def exit_codes(self) -> frozenset[int]:
        """Of the last two runs of its program, as far as they have ended."""
        states = (status.get(name) or {} for status in self._containers for name in ("state", "lastState"))
        ends = (state.get("terminated") for state in states)
        return frozenset(end["exitCode"] for end in ends if end)

    @property
    def succeeds_in_vain(self) -> bool:
        """Its program ends well, and its node starts it again each time, which counts against the back-off limit."""
        return self.obj["spec"]["restartPolicy"] == "Always" and self.restarts > 0 and 0 in self.exit_codes

    @property
    def runs_failed(self) -> int:
        """Runs of its program that are over and failed, also one that the node has not restarted yet."""
        over = 0
        for status in self._containers:
            state = status.get("state") or {}
            end = state.get("terminated") or ("waiting" in state and (status.get("lastState") or {}).get("terminated"))
            over += bool(end and end["exitCode"] in PROGRAM_EXIT_CODES)
        return self.restarts + over

    @property
    def _containers(self) -> list[Object]:
        return list((self.obj.get("status") or {}).get("containerStatuses") or ())


@dataclass
class JobRecord:
    """One incarnation of a job. ``specs``: each spec with the virtual time from which it held."""

    obj: Object
    born: float
    specs: list[tuple[float, Object]] = field(default_factory=list)
    deleted_at: float | None = None
    gone: bool = False
    end: str | None = None
    exhausted_at: float | None = None
    """Since when the failures of its programs are more than its backoffLimit, beyond doubt."""

    @property
    def uid(self) -> str:
        return str(self.obj["metadata"]["uid"])

    @property
    def name(self) -> str:
        return str(self.obj["metadata"]["name"])

    @property
    def title(self) -> str:
        return f"{self.obj['kind']} {self.obj['metadata']['namespace']}/{self.name} ({self.uid[:8]})"

    @property
    def status(self) -> Object:
        return self.obj.get("status") or {}

    @property
    def policy(self) -> Object:
        return policy_of(self.obj["spec"])

    @property
    def ignored_exit_codes(self) -> frozenset[int]:
        rules = self.policy.get("failureRules") or ()
        return frozenset(code for rule in rules if rule["action"] == "Ignore" for code in rule["onExitCodes"]["values"])

    @property
    def restarts_as_a_whole(self) -> bool:
        rules = self.policy.get("failureRules") or ()
        by_rule = any(rule["action"] == "RestartJob" for rule in rules)
        return by_rule or self.policy.get("restartScope") == "Job" or self.is_elastic

    @property
    def is_elastic(self) -> bool:
        return ELASTIC in (self.obj["metadata"].get("annotations") or {})

    @property
    def attempt(self) -> int:
        """How often the whole job was started again."""
        return int(self.status.get("jobRestarts", 0))

    @property
    def ever_suspended(self) -> bool:
        return any(is_suspended(spec) for _, spec in self.specs)

    def condition(self, type_: str) -> bool:
        return has_condition(self.status, type_)

    def specs_since(self, at: float) -> Iterator[Object]:
        """The specs that held at some time from then until now."""
        for number, (_, spec) in enumerate(self.specs):
            last = number + 1 == len(self.specs)
            if last or self.specs[number + 1][0] > at:
                yield spec


@dataclass
class Records:
    """Pods and jobs by UID. ``node_ready``: when each node was last seen to become ready or not."""

    now: Callable[[], float]
    start: datetime
    pods: dict[str, PodRecord] = field(default_factory=dict)
    jobs: dict[str, JobRecord] = field(default_factory=dict)
    nodes: dict[str, tuple[bool, float]] = field(default_factory=dict)

    def pods_of(self, job_uid: str) -> list[PodRecord]:
        return [pod for pod in self.pods.values() if pod.replica.job_uid == job_uid]

    def virtual(self, stamp: str) -> float:
        return (parse_time(stamp) - self.start).total_seconds()

    def runs_failed(self, replica: Replica) -> int:
        return sum(pod.runs_failed for pod in self.pods.values() if pod.replica == replica)

    def failures(self, job: JobRecord) -> tuple[int, int]:
        """The least and the most failures that may be charged to a job's backoffLimit."""
        pods = self.pods_of(job.uid)
        most = sum(self._charge(job, pod) for pod in pods)
        return sum(self._charge(job, pod) for pod in pods if not self._doubtful(job, pod)), most

    def settled_failures(self, job: JobRecord) -> int:
        """The least number that the status must have: those of pods that have ended and were let go."""
        pods = (pod for pod in self.pods_of(job.uid) if pod.ended is not None and not is_held(pod.obj))
        return sum(self._charge(job, pod) for pod in pods if not self._doubtful(job, pod))

    def _charge(self, job: JobRecord, pod: PodRecord) -> int:
        own = pod.own_end is not None and pod.own_end["exitCode"] not in job.ignored_exit_codes
        return self._restarts(job, pod) + own

    def _doubtful(self, job: JobRecord, pod: PodRecord) -> bool:
        """What ends while the whole job is stopped counts for nothing, and nobody else knows when that is."""
        return pod.ambiguous or pod.forced or job.restarts_as_a_whole or not self._always_wanted(job, pod)

    def _restarts(self, job: JobRecord, pod: PodRecord) -> int:
        return pod.restarts if restart_policy_of(job.obj["spec"], pod.replica.role) in ("Always", "OnFailure") else 0

    def _always_wanted(self, job: JobRecord, pod: PodRecord) -> bool:
        return all(pod.replica.index < replicas_of(spec, pod.replica.role) for spec in job.specs_since(pod.born))


def policy_of(spec: Object) -> Object:
    policy: Object = spec.get("runPolicy") or spec
    return policy


def is_suspended(spec: Object) -> bool:
    return bool(policy_of(spec).get("suspend"))


def replicas_of(spec: Object, role: str) -> int:
    return int(_role(spec, role).get("replicas", 1))


def waits_for(spec: Object, role: str) -> list[Object]:
    """What the user has said that a role waits for."""
    return list(_role(spec, role).get("dependsOn") or ())


def restart_policy_of(spec: Object, role: str) -> str:
    return str(_role(spec, role)["restartPolicy"])


def image_of(spec: Object, role: str, index: int) -> str:
    """That of the group that the replica is of, or of the role's own template."""
    template: Object = _role(spec, role)["template"]
    for group in _role(spec, role).get("groups") or ():
        if index < group["replicas"]:
            template = group["template"]
            break
        index -= group["replicas"]
    return str(template["spec"]["containers"][0]["image"])


def roles_of(spec: Object) -> Object:
    """The replica specs of a job of any kind."""
    return next((value for name, value in spec.items() if name.endswith("ReplicaSpecs")), {})


def _role(spec: Object, role: str) -> Object:
    return next((value for name, value in roles_of(spec).items() if name.lower() == role.lower()), {})


def has_condition(status: Object, type_: str) -> bool:
    return any(item["type"] == type_ and item["status"] == "True" for item in status.get("conditions") or ())


def outcome_of(status: Object) -> str | None:
    """``Succeeded``, ``Failed``, or None while the job goes on."""
    return next((end for end in (SUCCEEDED, FAILED) if has_condition(status, end)), None)
