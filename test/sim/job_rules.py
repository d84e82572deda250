"""What must hold of a job's status at every write."""

from dataclasses import dataclass, field

from kdl_testing.sim.timeline import Timeline
from sim.jobs import FAILED, SUCCEEDED
from sim.limit_rules import LimitRules
from sim.pod_rules import succeeded_indexes
from sim.records import JobRecord, Object, Records, has_condition, is_suspended, outcome_of

ROUNDING = 2.0
"""Seconds by which a stored time may lie before the change that it tells of."""
UNDER_WAY = 30.0
"""Seconds that the write of a status may take, when the server asks the operator to try again later."""
STATES = ("Running", "Restarting", "Suspended", SUCCEEDED, FAILED)
"""Of these one at most holds. Before the first of them, and after Suspended, a job is no more than created."""
DEADLINE = "longer than specified deadline"


@dataclass
class JobRules:
    records: Records
    timeline: Timeline
    limits: LimitRules
    truly_succeeded: set[tuple[str, str, int]] = field(default_factory=set)
    """Job UID, role in lower case and index of each replica of which a pod was seen to succeed."""

    def changed(self, job: JobRecord, before: Object) -> None:
        """``before`` is the job as it was stored until now."""
        old, new = before.get("status") or {}, job.status
        if old == new:
            return
        self._conditions_are_well_formed(job, old, new)
        self._moves_as_documented(job, old, new)
        self._nothing_is_forgotten(job, old, new)
        self._times_are_set_once(job, old, new)
        if outcome_of(old) is None and outcome_of(new) is not None:
            self.limits.ended(job)
            self._end_is_explained(job, new)
        if outcome_of(old) is not None and self._frozen(old) != self._frozen(new):
            self._violated(job, f"changes after it has {outcome_of(old)}")

    def _conditions_are_well_formed(self, job: JobRecord, old: Object, new: Object) -> None:
        conditions = new.get("conditions") or []
        types = [item["type"] for item in conditions]
        if len(set(types)) != len(types):
            self._violated(job, f"has a condition twice: {types}")
        if types and "Created" not in types:
            self._violated(job, f"has lost the condition Created: {types}")
        if {"Running", "Restarting"} <= set(types):
            self._violated(job, "has both Running and Restarting")
        end = outcome_of(new)
        if end is not None and types[-1] != end:
            self._violated(job, f"has {end}, but its last condition is {types[-1]}")
        excluded = ("Running", "Restarting") if end or has_condition(new, "Suspended") else ()
        if any(has_condition(new, type_) for type_ in excluded):
            self._violated(job, f"still is Running or Restarting beside {types[-1]}")
        if has_condition(new, SUCCEEDED) and has_condition(new, FAILED):
            self._violated(job, "has both succeeded and failed")
        known = {item["type"]: item for item in old.get("conditions") or ()}
        for item in conditions:
            previous = known.get(item["type"])
            ended = end is not None and item["type"] in ("Running", "Restarting")
            if previous is None or ended:
                continue
            moved = previous["lastTransitionTime"] != item["lastTransitionTime"]
            changed = previous["status"] != item["status"]
            if (moved and not changed) or (changed and not moved and not self._is_new(item)):
                self._violated(job, f"condition {item['type']}: its transition time does not follow its status")

    def _moves_as_documented(self, job: JobRecord, old: Object, new: Object) -> None:
        was, now = _states(old), _states(new)
        if len(now) > 1:
            self._violated(job, f"is in several states: {now}")
        elif not now and was not in ([], ["Suspended"]):
            self._violated(job, f"was {was[0]}, and is nothing now")
        elif now and was and was[0] in (SUCCEEDED, FAILED) and now != was:
            self._violated(job, f"has {was[0]}, and is {now[0]} now")
        elif now and now != was and new["conditions"][-1]["type"] != now[0]:
            self._violated(job, f"is {now[0]} now, which is not its last condition")
        specs = job.specs_since(self.limits.troubles.oldest_view(self.records.now()))
        if now == ["Suspended"] and now != was and not any(map(is_suspended, specs)):
            self._violated(job, "is suspended, and nobody has asked for that")

    def _end_is_explained(self, job: JobRecord, status: Object) -> None:
        """By reason, message and, unless it was the deadline, by a failure that there has been."""
        end = status["conditions"][-1]
        if not (end.get("reason") and end.get("message") and status.get("completionTime")):
            self._violated(job, f"ends without reason, message or time: {end}")
        if end["type"] == SUCCEEDED or DEADLINE in end["message"]:
            return
        cause, all_pods = status.get("firstFailure") or {}, self.records.pods_of(job.uid)
        if not cause and any(pod.succeeds_in_vain for pod in all_pods):
            return
        pods = [pod for pod in all_pods if pod.obj["metadata"]["name"] == cause.get("pod")]
        if not any(cause.get("exitCode") in pod.exit_codes for pod in pods):
            self._violated(job, f"fails by {cause or 'nothing'}, which has not happened")
        elif cause["pod"] not in end["message"]:
            self._violated(job, f"fails by {cause['pod']}, and its condition says {end['message']!r}")

    def _is_new(self, condition: Object) -> bool:
        # Two changes within one second have the same time, for times are stored in seconds.
        return self.records.now() - self.records.virtual(condition["lastTransitionTime"]) < ROUNDING

    def _nothing_is_forgotten(self, job: JobRecord, old: Object, new: Object) -> None:
        if new.get("jobRestarts", 0) < old.get("jobRestarts", 0):
            self._violated(job, f"forgets that it was started again {old.get('jobRestarts')} times")
        if new.get("jobRestarts", 0) and not job.restarts_as_a_whole:
            self._violated(job, "is started again as a whole, and nobody has asked for that")
        if new.get("attempts", 0) < old.get("attempts", 0):
            self._violated(job, f"forgets failures: {old.get('attempts')} attempts become {new.get('attempts', 0)}")
        most = self.records.failures(job)[1]
        if new.get("attempts", 0) > most:
            self._violated(job, f"counts {new.get('attempts')} failures although only {most} happened")
        if old.get("firstFailure") and not new.get("firstFailure"):
            self._violated(job, "forgets its first failure")
        for role in {*(old.get("replicaStatuses") or {}), *(new.get("replicaStatuses") or {})}:
            was, is_ = succeeded_indexes(old, role), succeeded_indexes(new, role)
            if was - is_ and new.get("jobRestarts", 0) == old.get("jobRestarts", 0):
                self._violated(job, f"forgets that {role} {sorted(was - is_)} succeeded")
            untrue = [index for index in is_ if (job.uid, role.lower(), index) not in self.truly_succeeded]
            if untrue:
                self._violated(job, f"says that {role} {untrue} succeeded, but no pod did")
            if self._restarts(new, role) < self._restarts(old, role):
                self._violated(job, f"forgets restarts of {role}")

    def _times_are_set_once(self, job: JobRecord, old: Object, new: Object) -> None:
        resumed = has_condition(old, "Suspended") and not has_condition(new, "Suspended")
        if old.get("startTime") not in (None, new.get("startTime")) and not resumed:
            self._violated(job, f"start time {old['startTime']} becomes {new.get('startTime')}")
        if resumed and self.records.now() - self.records.virtual(new["startTime"]) > UNDER_WAY:
            self._violated(job, f"is resumed, and its active time still counts from {new['startTime']}")
        if (new.get("completionTime") is not None) != (outcome_of(new) is not None):
            self._violated(job, f"completion time {new.get('completionTime')} with outcome {outcome_of(new)}")

    def _restarts(self, status: Object, role: str) -> int:
        return int(((status.get("replicaStatuses") or {}).get(role) or {}).get("restarts", 0))

    def _frozen(self, status: Object) -> Object:
        """What nothing may change once the job has ended."""
        names = ("conditions", "completionTime", "startTime", "attempts", "firstFailure", "replicaStatuses")
        return {name: status.get(name) for name in names}

    def _violated(self, job: JobRecord, text: str) -> None:
        self.timeline.violated(job.title, text)


def _states(status: Object) -> list[str]:
    return [state for state in STATES if has_condition(status, state)]
