"""Whether the pod of a replica that ended is replaced by a new one, and when."""

from datetime import datetime, timedelta

from kdl_runtime.backoff import BackoffPolicy
from kdl_workloads.engine.observed import Workload
from kdl_workloads.engine.outcome import Outcome, training_end
from kdl_workloads.engine.pod import Pod
from kdl_workloads.job import FailureAction, FailureRule, RestartPolicy, RunPolicy

PAUSES = BackoffPolicy(base=10.0, cap=300.0, jitter=0.0)
"""Seconds between a failure and the next try: those of the kubelet between restarts of a container."""
HEALTHY = timedelta(minutes=10)
"""A pod that has lived for so long is replaced at once, as the kubelet forgets earlier failures of such a container."""

NOT_ITS_OWN_DOING = frozenset({Outcome.DISRUPTED, Outcome.LOST, Outcome.DELETED})


def is_replaced(
    outcome: Outcome, policy: RestartPolicy, pod: Pod, workload: Workload, rule: FailureRule | None = None
) -> bool:
    """A failure rule decides. Without one, a pod that somebody or something took away is replaced under every policy. A
    failed one is replaced under Always and OnFailure (the kubelet restarts containers, but only the controller can
    replace a whole pod), never under Never, and under ExitCode if the dialect calls its exit code, or its pod's reason,
    retryable."""
    if rule is not None:
        return rule.action is not FailureAction.FAIL_JOB
    if outcome in NOT_ITS_OWN_DOING:
        return True
    if outcome is not Outcome.FAILED:
        return False
    if policy is RestartPolicy.EXIT_CODE:
        return _is_retryable(pod, workload)
    return policy in (RestartPolicy.ALWAYS, RestartPolicy.ON_FAILURE)


def replace_at(pod: Pod, container: str, restarts: int, replicas: int) -> datetime | None:
    """When a pod that failed makes way for the next, None for at once. Until then it stays, with its log.

    ``restarts`` of the role, this one included. The first of each replica (on average: who failed how often is not
    kept) comes at once, so that a passing failure costs no time; then a program that always fails is tried less and
    less often.
    """
    rounds = (restarts - 1) // max(replicas, 1)
    found = training_end(pod, container)
    failed_at = found[1].ended_at if found is not None else None
    if rounds < 1 or failed_at is None:
        return None
    created_at = pod.created_at
    if created_at is not None and failed_at - created_at >= HEALTHY:
        return None
    return failed_at + timedelta(seconds=PAUSES.delay(rounds))


def _is_retryable(pod: Pod, workload: Workload) -> bool:
    found = training_end(pod, workload.conventions.container)
    if found is not None and workload.dialect.retryable(found[1].exit_code):
        return True
    return workload.dialect.retryable_reason(pod.status.reason)


def pod_restart_policy(policy: RestartPolicy, limits: RunPolicy) -> str:
    """What the pod's own ``restartPolicy`` has to be. ExitCode is the controller's affair, and so is OnFailure where
    the job has failure rules or restarts as a whole: the kubelet would restart a container without asking. Always
    stays, as it also restarts containers that succeed."""
    by_controller = policy is RestartPolicy.ON_FAILURE and limits.judges_each_failure
    return RestartPolicy.NEVER.value if by_controller or policy is RestartPolicy.EXIT_CODE else policy.value
