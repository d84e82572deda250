"""XGBoostJob: distributed XGBoost (and LightGBM). A Master, which ends the job, and Workers."""

from collections.abc import Mapping
from dataclasses import replace

from kdl_workloads.api import kubedl, kubeflow
from kdl_workloads.framework import (
    KUBEDL,
    KUBEFLOW,
    MASTER,
    WORKER,
    Conventions,
    EnvVar,
    Framework,
    Phase,
    RoleSpec,
    all_succeeded,
    any_active,
    env_vars,
)
from kdl_workloads.job import Job, RestartPolicy

ROLES = frozenset({MASTER, WORKER})
KUBEFLOW_CONVENTIONS = Conventions(
    model=kubeflow.XGBoostJob,
    container="xgboost",
    port_name="xgboostjob-port",
    port=9999,
    running=any_active(MASTER),
    succeeded=all_succeeded(MASTER),
    restart_policies={MASTER: RestartPolicy.NEVER, WORKER: RestartPolicy.NEVER},
    port_roles=ROLES,
    services=ROLES,
    required=frozenset({MASTER}),
)
KUBEDL_CONVENTIONS = replace(
    KUBEFLOW_CONVENTIONS,
    model=kubedl.XGBoostJob,
    container="xgboostjob",
    waits_for={WORKER: {MASTER: Phase.RUNNING}},
    short_names=("xgbjob",),
)


class XGBoost(Framework):
    """KubeDL itself leaves the restart policy to the API server's default, Always, with which no replica ever ends,
    ignores the job's own clean-up and deletes it after 100 s. Here the defaults are Kubeflow's: Never, and keep."""

    kind = "XGBoostJob"
    replica_specs_field = "xgbReplicaSpecs"
    roles = (RoleSpec(MASTER, master=True, max_replicas=1), RoleSpec(WORKER))
    conventions: Mapping[str, Conventions] = {KUBEDL: KUBEDL_CONVENTIONS, KUBEFLOW: KUBEFLOW_CONVENTIONS}

    def cluster_env(self, job: Job, role: str, index: int) -> list[EnvVar]:
        env = {
            "MASTER_PORT": str(self.port(job, MASTER)),
            "MASTER_ADDR": job.child_name(MASTER, 0),
            "WORLD_SIZE": str(job.total_replicas),
            "RANK": str(self._rank(job, role, index)),
        }
        if job.api_version == KUBEDL:
            env["PYTHONUNBUFFERED"] = "0"
        else:
            env["PYTHONUNBUFFERED"] = "1"
            env |= self._worker_addresses(job)
        return env_vars(env)

    def _rank(self, job: Job, role: str, index: int) -> int:
        """KubeDL counts each role from 0, and programs look at the role too; Kubeflow counts on from the Master."""
        if job.api_version == KUBEDL or role == MASTER:
            return index
        return index + job.roles[MASTER].replicas

    def _worker_addresses(self, job: Job) -> dict[str, str]:
        """LightGBM's list of machines; a job of one replica gets none."""
        workers = job.roles.get(WORKER)
        if job.total_replicas <= 1 or workers is None:
            return {}
        names = (job.child_name(WORKER, index) for index in range(workers.replicas))
        return {"WORKER_PORT": str(self.port(job, WORKER)), "WORKER_ADDRS": ",".join(names)}
