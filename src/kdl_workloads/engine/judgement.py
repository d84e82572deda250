"""What a job's failure rules say about the end of a pod."""

from dataclasses import dataclass
from fnmatch import fnmatchcase

from kdl_workloads.engine.failure import describe
from kdl_workloads.engine.lost import is_lost
from kdl_workloads.engine.observed import Observed
from kdl_workloads.engine.outcome import Outcome, outcome
from kdl_workloads.engine.pod import Pod
from kdl_workloads.job import Failure, FailureRule, Job, NodeConditions

JUDGED = frozenset({Outcome.FAILED, Outcome.DISRUPTED, Outcome.LOST})
"""Ends that rules are asked about. A pod that somebody has deleted is replaced without asking."""


@dataclass(frozen=True, slots=True)
class _Place:
    role: str
    index: int
    pod: Pod


def rule_for(observed: Observed, role: str, pod: Pod, how: Outcome) -> FailureRule | None:
    """The first rule that holds for the pod's end; None if there is none, or nothing to judge."""
    rules = observed.job.run_policy.failure_rules
    if not rules or how not in JUDGED:
        return None
    failure = describe(_Place(role, 0, pod), observed.workload.conventions.container, observed.now)
    node = node_conditions(observed, pod)
    return next((rule for rule in rules if _holds(rule, failure, pod, node)), None)


def node_conditions(observed: Observed, pod: Pod) -> NodeConditions:
    """What rules know of the node of a pod that has failed: what it was like when that was first seen. A node that
    recovers while the pod waits to be replaced must not change the judgement."""
    known = observed.job.status.judged_nodes.get(pod.uid)
    if known is not None:
        return known
    return observed.node_conditions.get(pod.spec.node_name, frozenset()) & asked_conditions(observed.job)


def asked_conditions(job: Job) -> NodeConditions:
    """The conditions of nodes that failure rules of the job ask for."""
    return frozenset().union(*(rule.node_conditions or () for rule in job.run_policy.failure_rules))


def judged_nodes(observed: Observed) -> frozenset[str]:
    """Names of the nodes whose conditions a rule asks for: those of pods whose failure has not been judged yet."""
    job = observed.job
    if not asked_conditions(job):
        return frozenset()
    return frozenset(
        pod.spec.node_name
        for pod in observed.pods
        if pod.spec.node_name and pod.uid not in job.status.judged_nodes and _end(observed, pod) in JUDGED
    )


def _end(observed: Observed, pod: Pod) -> Outcome:
    lost = pod.terminating and is_lost(pod, observed.nodes, observed.now)
    return outcome(pod, observed.workload.conventions.container, lost=lost)


def _holds(rule: FailureRule, failure: Failure, pod: Pod, node: NodeConditions) -> bool:
    conditions = ((condition.type, condition.status) for condition in pod.status.conditions)
    code = failure.exit_code
    return (
        (rule.roles is None or failure.role.lower() in rule.roles)
        and (rule.exit_codes is None or (code is not None and rule.exit_codes.match(code)))
        and (rule.signals is None or failure.signal in rule.signals)
        and (rule.reasons is None or not rule.reasons.isdisjoint((failure.reason, pod.status.reason)))
        and (rule.pod_conditions is None or not rule.pod_conditions.isdisjoint(conditions))
        and (rule.node_conditions is None or not rule.node_conditions.isdisjoint(node))
        and (rule.message is None or fnmatchcase(failure.message, f"*{rule.message}*"))
    )
