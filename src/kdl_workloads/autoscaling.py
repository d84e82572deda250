"""The HorizontalPodAutoscaler of an elastic job: it sets the number of Workers through the job's scale subresource."""

from collections.abc import Mapping, Sequence
from typing import Any

from kdl_runtime.resources.registry import HORIZONTAL_POD_AUTOSCALERS
from kdl_workloads.framework import Extra, replica_bounds
from kdl_workloads.job import Job


def autoscalers(job: Job, elastic: Mapping[str, Any], role: str) -> Sequence[Extra]:
    """One with the name of the job if ``elastic`` (Kubeflow's ``elasticPolicy``) has metrics, else none. Without bounds
    there is no room to scale in, so the number of replicas is both.

    https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/horizontal-pod-autoscaler-v2/
    """
    metrics = elastic.get("metrics")
    if not metrics or role not in job.roles:
        return ()
    least, most = replica_bounds(elastic, job.roles[role].replicas)
    target = {"apiVersion": job.api_version, "kind": job.kind, "name": job.name}
    spec = {"scaleTargetRef": target, "minReplicas": least, "maxReplicas": most, "metrics": list(metrics)}
    return (Extra(HORIZONTAL_POD_AUTOSCALERS, {"metadata": {"name": job.name}, "spec": spec}),)
