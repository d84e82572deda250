"""PaddleJob: PaddlePaddle's launcher, as equals (Workers only) or with parameter servers (Masters)."""

from collections.abc import Mapping, Sequence
from typing import Any

from kdl_workloads import template as templates
from kdl_workloads.api import kubeflow
from kdl_workloads.autoscaling import autoscalers
from kdl_workloads.framework import (
    KUBEFLOW,
    MASTER,
    WORKER,
    Conventions,
    EnvVar,
    Extra,
    Framework,
    RoleSpec,
    all_succeeded,
    any_active,
    env_vars,
    field_var,
    if_given,
    replica_range,
)
from kdl_workloads.job import Job, RestartPolicy

ROLES = frozenset({MASTER, WORKER})


class Paddle(Framework):
    kind = "PaddleJob"
    replica_specs_field = "paddleReplicaSpecs"
    roles = (RoleSpec(MASTER, master=True), RoleSpec(WORKER))
    conventions: Mapping[str, Conventions] = {
        KUBEFLOW: Conventions(
            model=kubeflow.PaddleJob,
            container="paddle",
            port_name="master",
            port=36543,
            running=if_given(MASTER, any_active(MASTER), any_active(WORKER)),
            succeeded=if_given(MASTER, all_succeeded(MASTER), all_succeeded(WORKER)),
            restart_policies=dict.fromkeys(ROLES, RestartPolicy.ON_FAILURE),
            port_roles=ROLES,
            services=ROLES,
            scale_role=WORKER,
        )
    }

    def is_master(self, job: Job, role: str, index: int) -> bool:
        """The first Worker where there is no Master, so that clients find one pod whose log tells of the job."""
        return super().is_master(job, role, index) or (role, index, MASTER in job.roles) == (WORKER, 0, False)

    def cluster_env(self, job: Job, role: str, index: int) -> list[EnvVar]:
        first = MASTER if MASTER in job.roles else WORKER
        env = env_vars({"PYTHONUNBUFFERED": "1", "PADDLE_JOB_ID": job.name, **_nodes(job)})
        if not _has_etcd(job, role):
            host = self.child_name(job, first, 0)
            if (role, index) == (first, 0):
                # The server of the rendezvous binds to its own address, before its name resolves.
                host = "$(POD_IP_DUMMY)"
                env.append(field_var("POD_IP_DUMMY", "status.podIP"))
            env += env_vars({"PADDLE_MASTER": f"{host}:{self.port(job, first)}"})
        if first == MASTER:
            env += env_vars({"PADDLE_SERVER_NUM" if role == MASTER else "PADDLE_TRAINER_NUM": "1"})
        return env

    def objects(self, job: Job) -> Sequence[Extra]:
        return autoscalers(job, job.options.get("elasticPolicy") or {}, WORKER)


def _nodes(job: Job) -> dict[str, str]:
    """How many replicas there are. An elastic job that meets in an etcd says ``least:most``; without one the launcher
    would wait for the most."""
    elastic: Mapping[str, Any] = job.options.get("elasticPolicy") or {}
    env = {"PADDLE_NNODES": str(job.total_replicas)}
    if elastic and WORKER in job.roles and _has_etcd(job, WORKER):
        env["PADDLE_NNODES"] = replica_range(elastic, job.roles[WORKER].replicas)
    if elastic.get("maxRestarts") is not None:
        env["PADDLE_MAX_RESTART"] = str(elastic["maxRestarts"])
    return env


def _has_etcd(job: Job, role: str) -> bool:
    """Whether the user's own rendezvous is an etcd, which is then left alone."""
    return any(
        item.get("name") == "PADDLE_MASTER" and str(item.get("value")).startswith("etcd://")
        for container in templates.containers(job.roles[role].template)
        for item in container.get("env") or ()
    )
