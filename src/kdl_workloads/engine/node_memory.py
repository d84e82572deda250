"""What nodes were like when pods on them had failed, kept for as long as those pods are there."""

from dataclasses import replace

from kdl_workloads.engine.judgement import JUDGED, asked_conditions, node_conditions
from kdl_workloads.engine.observed import Observed
from kdl_workloads.engine.replicas import Replicas
from kdl_workloads.job import JobStatus


def remember(observed: Observed, status: JobStatus, replicas: Replicas) -> JobStatus:
    """The status with the conditions that failure rules have judged by; none where no rule asks for any."""
    if not asked_conditions(observed.job):
        return replace(status, judged_nodes={}) if status.judged_nodes else status
    judged = {
        replica.pod.uid: node_conditions(observed, replica.pod)
        for replica in replicas.wanted.values()
        if replica.outcome in JUDGED
    }
    return replace(status, judged_nodes=judged)
