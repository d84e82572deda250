"""The limits of a run policy: how long a job may be active, how often it may try again."""

from datetime import datetime, timedelta

from kdl_workloads.job import JobStatus, RunPolicy


def deadline(policy: RunPolicy, status: JobStatus) -> datetime | None:
    """When the job has been active for too long; None without a limit, or before it has started."""
    if policy.active_deadline_seconds is None or status.start_time is None:
        return None
    return status.start_time + timedelta(seconds=policy.active_deadline_seconds)


def past_deadline(policy: RunPolicy, status: JobStatus, now: datetime) -> bool:
    limit = deadline(policy, status)
    return limit is not None and now >= limit


def past_backoff_limit(policy: RunPolicy, attempts: int) -> bool:
    """``backoffLimit`` is the number of times that the job may try again: with 0 the first failure ends it, with 3 the
    fourth (as in a batch/v1 Job)."""
    return policy.backoff_limit is not None and attempts > policy.backoff_limit


def expiry(policy: RunPolicy, status: JobStatus) -> datetime | None:
    """When the finished job is to be deleted; None to keep it."""
    if policy.ttl_seconds_after_finished is None or not status.finished:
        return None
    finished = status.completion_time or max(c.last_transition_time for c in status.conditions)
    return finished + timedelta(seconds=policy.ttl_seconds_after_finished)
