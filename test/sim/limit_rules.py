"""Limits are exact: backoffLimit, activeDeadlineSeconds and ttlSecondsAfterFinished, never early and hardly late."""

from dataclasses import dataclass, field

from kdl_testing.sim.timeline import Timeline
from sim.jobs import FAILED
from sim.records import JobRecord, Records, is_terminating, replicas_of, restart_policy_of, seconds_between

PRECISION = 3.0
"""Seconds by which an operator that nothing disturbs may be late; two of them are the rounding of stored times."""
DISTURBED = 600.0
"""The same while requests fail and watches are silent."""
ROUNDING = 0.001
FRESH, STALE = 5.0, 600.0
"""Seconds for which the operator's view may be old, without and with faults of watches."""
RECONNECT = 60.0
"""Seconds that a watch may take to come back."""


@dataclass
class Troubles:
    """When the operator could not do its work, as spans of virtual seconds. Until ``faults_end`` it is disturbed."""

    faults_end: float = 0.0
    spans: list[tuple[float, float]] = field(default_factory=list)

    def add(self, begin: float, end: float) -> None:
        self.spans.append((begin, end))

    def oldest_view(self, now: float) -> float:
        """How old what the operator knows may be: a watch needs some time to come back after an outage."""
        disturbed = self.faults_end > 0 and now < self.faults_end + STALE
        oldest = now - (STALE if disturbed else FRESH)
        return min([oldest, *(begin for begin, end in self.spans if end + RECONNECT >= now)])

    def allowed(self, due: float) -> float:
        """By when something that is due must have happened. After an outage the operator's back-off may be as long as
        the outage was."""
        latest = due + (DISTURBED if due < self.faults_end else PRECISION)
        for begin, end in sorted(self.spans):
            if begin <= latest and end + RECONNECT >= due:
                latest = max(latest, end + 1.2 * (end - begin) + RECONNECT)
        return latest


@dataclass
class LimitRules:
    records: Records
    timeline: Timeline
    troubles: Troubles

    def ended(self, job: JobRecord) -> None:
        self._check_deadline(job, over=True)
        self._check_backoff(job)
        self.check_late(job)

    def check_late(self, job: JobRecord) -> None:
        """Also asked at the end of the simulation, for jobs that still go on."""
        now, due = self.records.now(), self._deadline(job)
        if due is not None and now > self.troubles.allowed(due) and not job.condition("Suspended"):
            self._violated(job, f"outlives its deadline of {due:.0f} s")
        self._check_surplus(job)
        exhausted = job.exhausted_at
        if exhausted is not None and now > self.troubles.allowed(exhausted) and not job.ever_suspended:
            self._violated(job, f"goes on although its attempts were used up at {exhausted:.1f} s")

    def _check_surplus(self, job: JobRecord) -> None:
        """A job that was scaled in has no more pods than it should have."""
        since, spec = job.specs[-1]
        if self.records.now() <= self.troubles.allowed(since):
            return
        for pod in self.records.pods_of(job.uid):
            surplus = pod.replica.index >= replicas_of(spec, pod.replica.role)
            if surplus and not pod.gone and not is_terminating(pod.obj):
                self._violated(job, f"keeps {pod.title}, although it was scaled in at {since:.1f} s")

    def failed_again(self, job: JobRecord) -> None:
        """One of its programs may have failed. A failure may come into doubt again: when the node confirms the end of a
        pod that was deleted, right after it has told how its program ended."""
        limit = job.policy.get("backoffLimit")
        if limit is None or self.records.failures(job)[0] <= limit:
            job.exhausted_at = None
        elif job.exhausted_at is None:
            job.exhausted_at = self.records.now()

    def deleted_by_operator(self, job: JobRecord) -> None:
        expiry = self._expiry(job)
        if expiry is None or job.end is None:
            self._violated(job, "is deleted by the operator although nobody asked for that")
        elif self.records.now() < expiry - ROUNDING:
            self._violated(job, f"is deleted {expiry - self.records.now():.1f} s before its time to live is over")
        else:
            self.check_expired(job)

    def check_expired(self, job: JobRecord) -> None:
        expiry = self._expiry(job)
        if expiry is not None and self.records.now() > self.troubles.allowed(expiry):
            self._violated(job, f"outlives its time to live, which ended at {expiry:.0f} s")

    def _check_deadline(self, job: JobRecord, *, over: bool) -> None:
        status, seconds = job.status, job.policy.get("activeDeadlineSeconds")
        by_deadline = "longer than specified deadline" in status["conditions"][-1]["message"]
        if (
            over
            and by_deadline
            and (seconds is None or seconds_between(status["startTime"], status["completionTime"]) < seconds)
        ):
            self._violated(job, f"fails by its deadline of {seconds} s too early")

    def _check_backoff(self, job: JobRecord) -> None:
        limit = job.policy.get("backoffLimit")
        least, most = self.records.failures(job)
        by_limit = "reached the specified backoff limit" in job.status["conditions"][-1]["message"]
        if by_limit and (limit is None or most <= limit):
            self._violated(job, f"fails by its backoffLimit of {limit} after {most} failures")
        if job.end != FAILED or not by_limit or limit is None:
            return
        roles = {pod.replica.role for pod in self.records.pods_of(job.uid)}
        replaced = all(restart_policy_of(job.obj["spec"], role) == "ExitCode" for role in roles)
        if replaced and least > limit + 1:
            self._violated(job, f"fails by its backoffLimit of {limit} only after {least} failures")

    def _deadline(self, job: JobRecord) -> float | None:
        seconds, start = job.policy.get("activeDeadlineSeconds"), job.status.get("startTime")
        return None if seconds is None or start is None else self.records.virtual(start) + seconds

    def _expiry(self, job: JobRecord) -> float | None:
        seconds, end = job.policy.get("ttlSecondsAfterFinished"), job.status.get("completionTime")
        return None if seconds is None or end is None else self.records.virtual(end) + seconds

    def _violated(self, job: JobRecord, text: str) -> None:
        self.timeline.violated(job.title, text)
