"""Counting what pods have ended with, each exactly once, into the status.

A pod is counted by UID. The UID stays in ``JobStatus.uncounted`` (``countedPods`` of the object) as long as the pod is
seen, so the count survives a crash between the write of the status and the delete of the pod, and any number of passes
over the same pod. What a pod leaves behind when it goes (the restarts of its containers) is added at its end.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime

import msgspec

from kdl_workloads.engine.failure import describe
from kdl_workloads.engine.outcome import Outcome, previous_end
from kdl_workloads.engine.replicas import Replica, Replicas
from kdl_workloads.job import Failure, JobStatus, ReplicaStatus

_FAILURES = frozenset({Outcome.FAILED, Outcome.DISRUPTED, Outcome.LOST})


def settle(status: JobStatus, replicas: Replicas, container: str, now: datetime) -> JobStatus:
    """The status with every pod's end in it.

    ``attempts`` grows by one for a failure of the program (``Replica.charged``), by none for what the cluster or a
    person did, and by the restarts of the pod's containers in any case; failures that start the whole job again are one
    together. ``succeeded_indexes`` only grows, also by replicas that the job no longer has: scaled out again, it must
    not run them twice. UIDs of pods that are gone are forgotten.
    """
    ended = [replica for replica in replicas.wanted.values() if replica.outcome is not Outcome.NONE]
    new = [replica for replica in ended if replica.pod.uid not in status.uncounted]
    late = (replica for replica in replicas.surplus if replica.outcome is Outcome.SUCCEEDED)
    surplus = [msgspec.structs.replace(replica, restarts=0) for replica in late]
    counted = {replica.pod.uid for replica in new if replica.outcome is Outcome.FAILED or _counts(replica)}
    seen = {replica.pod.uid for replica in replicas.all()}
    together = sum(map(_attempts, new))
    if any(replica.restarts_job for replica in new):
        together = min(together, 1)
    return replace(
        status,
        attempts=status.attempts + together,
        uncounted=frozenset((status.uncounted & seen) | counted),
        replicas=_with_ends(status.replicas, [*new, *surplus]),
        first_failure=_first_failure(status, replicas, container, now),
    )


def total(status: JobStatus, replicas: Replicas) -> int:
    """Attempts used up so far: the settled ones, and the container restarts of pods that have not ended."""
    return status.attempts + sum(
        replica.restarts
        for replica in replicas.wanted.values()
        if replica.outcome is Outcome.NONE and replica.pod.uid not in status.uncounted
    )


def newly_failed(before: JobStatus, replicas: Replicas) -> list[Replica]:
    """Replicas whose failure the status ``before`` does not have yet."""
    return [
        replica
        for replica in replicas.wanted.values()
        if replica.outcome is Outcome.FAILED and replica.pod.uid not in before.uncounted
    ]


def _counts(replica: Replica) -> bool:
    return _attempts(replica) > 0 or _restarts(replica) > 0


def _attempts(replica: Replica) -> int:
    return replica.restarts + replica.charged


def _restarts(replica: Replica) -> int:
    return replica.restarts + replica.restarting


def _with_ends(statuses: Mapping[str, ReplicaStatus], ended: Iterable[Replica]) -> dict[str, ReplicaStatus]:
    result = dict(statuses)
    for replica in ended:
        before = result.get(replica.role, ReplicaStatus())
        succeeded = {replica.index} if replica.outcome is Outcome.SUCCEEDED else frozenset()
        result[replica.role] = replace(
            before,
            restarts=before.restarts + _restarts(replica),
            succeeded_indexes=before.succeeded_indexes | succeeded,
        )
    return result


def _first_failure(status: JobStatus, replicas: Replicas, container: str, now: datetime) -> Failure | None:
    """The earliest one stays, until one comes that ends the job: the cause of the end is worth more than an earlier
    failure that the job had recovered from, or has tolerated. One without an exit code (a lost node, an eviction) gives
    way to the first that has one, as only these count against the back-off limit."""
    known, wanted = status.first_failure, replicas.wanted.values()
    failed = [replica for replica in wanted if replica.outcome in _FAILURES]
    fatal = [replica for replica in failed if replica.fatal]
    # Not by the pod's name: the pod before this one had the same.
    if known is not None and any(describe(replica, container, known.time) == known for replica in fatal):
        return known
    if fatal:
        return _earliest(describe(replica, container, now) for replica in fatal)
    if known is not None and known.exit_code is not None:
        return known
    found = [describe(replica, container, now) for replica in failed]
    found += [describe(replica, container, now, restarted=True) for replica in _restarted(wanted, container)]
    return _earliest(failure for failure in found if failure.exit_code is not None) or known or _earliest(found)


def _restarted(replicas: Iterable[Replica], container: str) -> Iterator[Replica]:
    """Those whose container had failed before its kubelet started it again, in a pod that goes on or was deleted since.
    Such restarts alone may use up the back-off limit."""
    for replica in replicas:
        unexplained = replica.outcome is Outcome.NONE or replica.outcome is Outcome.DELETED
        if unexplained and replica.restarts and previous_end(replica.pod, container) is not None:
            yield replica


def _earliest(failures: Iterable[Failure]) -> Failure | None:
    return min(failures, key=lambda failure: failure.time, default=None)
