"""Starting the whole job again: every pod is stopped first, then all are created anew, as one attempt.

Pods carry the number of their attempt. Those of an earlier one are stale: they are taken away and count for nothing
any more, and nothing is created before the last of them is gone, so that no pod meets a peer of an earlier attempt.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from kdl_workloads.engine.conditions import set_condition
from kdl_workloads.engine.observed import Observed
from kdl_workloads.engine.replicas import Replica, Replicas
from kdl_workloads.engine.restart import HEALTHY, PAUSES
from kdl_workloads.job import ConditionType, JobStatus, RestartScope


def cause(replicas: Replicas) -> Replica | None:
    """The replica for which the whole job starts again, failures before deletions before changes of the number of
    replicas; None if there is none. A pod that was deleted is one only while a peer goes on: where all are going, to
    replace each is the same."""
    causes = [replica for replica in replicas.wanted.values() if replica.restarts_job]
    peers = any(not replica.pod.terminating for replica in replicas.wanted.values())
    outdated = next((replica for replica in replicas.wanted.values() if replica.outdated), None)
    return next((replica for replica in causes if replica.restarting), causes[0] if causes and peers else outdated)


def all_going(observed: Observed, replicas: Replicas) -> bool:
    """Whether somebody has deleted every pod that a job which restarts as a whole still has. What it has not is made
    only after they are gone: a new pod among them would be a peer that goes on, and all would start once more."""
    by_scope = observed.job.run_policy.restart_scope is RestartScope.JOB
    wanted = replicas.wanted.values()
    return by_scope and bool(wanted) and all(replica.pod.terminating for replica in wanted)


def restart(observed: Observed, status: JobStatus, replica: Replica) -> JobStatus:
    """The status with one restart more. Replicas that had succeeded run again with the others: their peers need them.
    The first restart comes at once, later ones after a pause that grows, as that of a single replica does; an attempt
    that has lived for long counts as the first."""
    began = status.restart_time or status.start_time or observed.stamp
    rounds = 0 if observed.now - began >= HEALTHY else status.restarts
    pause = timedelta(seconds=PAUSES.delay(rounds)) if rounds else timedelta()
    text = observed.texts.restarting(observed.job, replica.role, 0 if replica.outdated else 1)
    return replace(
        status,
        restarts=status.restarts + 1,
        restart_time=observed.stamp + pause,
        conditions=set_condition(status.conditions, ConditionType.RESTARTING, text, observed.stamp),
        replicas={
            role: replace(of, active=0, succeeded=0, failed=0, succeeded_indexes=frozenset())
            for role, of in status.replicas.items()
        },
    )


def resumes_at(status: JobStatus, replicas: Replicas, now: datetime) -> datetime | None:
    """Until when nothing of the new attempt is created; None if it may be, or has begun."""
    at = status.restart_time
    return at if at is not None and at > now and not replicas.wanted else None
