"""A workload as another package would bring it: this file is all of it."""

from kdl_workloads.api.kubedl import Job as KubeDLJob
from kdl_workloads.api.kubedl import JobSpec, ReplicaSpec
from kdl_workloads.framework import (
    KUBEDL,
    WORKER,
    Conventions,
    EnvVar,
    Framework,
    RoleSpec,
    all_succeeded,
    any_active,
)
from kdl_workloads.job import Job, RestartPolicy


class DaskJobSpec(JobSpec):
    dask_replica_specs: dict[str, ReplicaSpec]


class DaskJob(KubeDLJob):
    spec: DaskJobSpec


CONVENTIONS = {
    KUBEDL: Conventions(
        model=DaskJob,
        container="dask",
        port_name="dask-port",
        port=8786,
        running=any_active("Scheduler"),
        succeeded=all_succeeded(WORKER),
        restart_policies={"Scheduler": RestartPolicy.NEVER, WORKER: RestartPolicy.ON_FAILURE},
        port_roles=frozenset({"Scheduler"}),
        services=frozenset({"Scheduler"}),
        required=frozenset({"Scheduler"}),
    )
}


class Dask(Framework):
    kind = "DaskJob"
    plural = "daskjobs"
    singular = "daskjob"
    replica_specs_field = "daskReplicaSpecs"
    roles = (RoleSpec("Scheduler", master=True, max_replicas=1), RoleSpec(WORKER))
    conventions = CONVENTIONS

    def cluster_env(self, job: Job, role: str, index: int) -> list[EnvVar]:
        return [{"name": "DASK_SCHEDULER_ADDRESS", "value": f"tcp://{job.child_name('Scheduler', 0)}:8786"}]
