"""JAXJob: jax.distributed. Workers only; the first one holds the coordinator that all of them meet at."""

from collections.abc import Mapping

from kdl_workloads.api import kubeflow
from kdl_workloads.framework import (
    KUBEFLOW,
    WORKER,
    Conventions,
    EnvVar,
    Framework,
    RoleSpec,
    all_succeeded,
    any_active,
    env_vars,
)
from kdl_workloads.job import Job, RestartPolicy

ROLES = frozenset({WORKER})


class JAX(Framework):
    """KubeDL has no such kind."""

    kind = "JAXJob"
    replica_specs_field = "jaxReplicaSpecs"
    roles = (RoleSpec(WORKER),)
    conventions: Mapping[str, Conventions] = {
        KUBEFLOW: Conventions(
            model=kubeflow.JAXJob,
            container="jax",
            port_name="jaxjob-port",
            port=6666,
            running=any_active(WORKER),
            succeeded=all_succeeded(WORKER),
            restart_policies={WORKER: RestartPolicy.NEVER},
            port_roles=ROLES,
            services=ROLES,
            required=ROLES,
            scale_role=WORKER,
        )
    }

    def is_master(self, job: Job, role: str, index: int) -> bool:
        return index == 0

    def cluster_env(self, job: Job, role: str, index: int) -> list[EnvVar]:
        return env_vars(
            {
                "PYTHONUNBUFFERED": "1",
                "COORDINATOR_PORT": str(self.port(job, WORKER)),
                "COORDINATOR_ADDRESS": job.child_name(WORKER, 0),
                "NUM_PROCESSES": str(job.total_replicas),
                "PROCESS_ID": str(index),
            }
        )
