"""Whether the pod of a replica that ended is replaced by a new one."""

from kdl_workloads.engine.observed import Workload
from kdl_workloads.engine.outcome import Outcome, training_end
from kdl_workloads.engine.pod import Pod
from kdl_workloads.job import RestartPolicy

NOT_ITS_OWN_DOING = frozenset({Outcome.DISRUPTED, Outcome.LOST, Outcome.DELETED})


def is_replaced(outcome: Outcome, policy: RestartPolicy, pod: Pod, workload: Workload) -> bool:
    """A pod that somebody or something took away is replaced under every policy. A failed one is replaced under Always
    and OnFailure (the kubelet restarts containers, but only the controller can replace a whole pod), never under Never,
    and under ExitCode if the dialect calls its exit code, or its pod's reason, retryable."""
    if outcome in NOT_ITS_OWN_DOING:
        return True
    if outcome is not Outcome.FAILED:
        return False
    if policy is RestartPolicy.EXIT_CODE:
        return _is_retryable(pod, workload)
    return policy in (RestartPolicy.ALWAYS, RestartPolicy.ON_FAILURE)


def _is_retryable(pod: Pod, workload: Workload) -> bool:
    found = training_end(pod, workload.conventions.container)
    if found is not None and workload.dialect.retryable(found[1].exit_code):
        return True
    return workload.dialect.retryable_reason(pod.status.reason)


def pod_restart_policy(policy: RestartPolicy) -> str:
    """What the pod's own ``restartPolicy`` has to be: ExitCode is the controller's affair."""
    return RestartPolicy.NEVER.value if policy is RestartPolicy.EXIT_CODE else policy.value
