"""PyTorchJob: torch.distributed. A Master and Workers, or only Workers, of which the first is then the master."""

from collections.abc import Mapping, Sequence
from typing import Any

from kdl_workloads.api import kubedl, kubeflow
from kdl_workloads.autoscaling import autoscalers
from kdl_workloads.framework import (
    AIMASTER,
    AIMASTER_GATE,
    KUBEDL,
    KUBEFLOW,
    MASTER,
    WORKER,
    Conventions,
    EnvVar,
    Extra,
    Framework,
    Phase,
    Roles,
    RoleSpec,
    all_succeeded,
    any_active,
    any_succeeded,
    env_vars,
    if_given,
    replica_range,
)
from kdl_workloads.job import Job, RestartPolicy

PORT_NAME = "pytorchjob-port"
PORT = 23456
WORLD_SIZE = "kubedl.io/world-size"
"""Annotation of the pods of an elastic job: how many they are."""
ELASTIC = "kubedl.io/enable-elastic-training"
"""Annotation of a job in KubeDL's group that is to be scaled while it runs."""
ROLES = frozenset({MASTER, WORKER})


def _worker_success(job: Job, roles: Roles) -> bool:
    """Without a Master all Workers must succeed. An elastic group ends together, and one that was scaled in has
    Workers that never reach the end: one success is enough there."""
    rule = any_succeeded(WORKER) if job.options.get("elasticPolicy") else all_succeeded(WORKER)
    return rule(job, roles)


def _kubedl_success(job: Job, roles: Roles) -> bool:
    """Master and Workers have to, or the AIMaster that drives them."""
    return all_succeeded(AIMASTER)(job, roles) or all_succeeded(MASTER, WORKER)(job, roles)


CONVENTIONS = {
    KUBEDL: Conventions(
        model=kubedl.PyTorchJob,
        container="pytorch",
        port_name=PORT_NAME,
        port=PORT,
        running=if_given(MASTER, any_active(MASTER, AIMASTER), any_active(WORKER, AIMASTER)),
        succeeded=_kubedl_success,
        restart_policies={
            AIMASTER: RestartPolicy.NEVER,
            MASTER: RestartPolicy.EXIT_CODE,
            WORKER: RestartPolicy.ON_FAILURE,
        },
        port_roles=frozenset({MASTER}),
        services=frozenset({MASTER}),
        waits_for={MASTER: {AIMASTER: Phase.RUNNING}, WORKER: {MASTER: Phase.RUNNING, AIMASTER: Phase.RUNNING}},
        gate=AIMASTER_GATE,
        short_names=("ptjob",),
        elastic=ELASTIC,
    ),
    KUBEFLOW: Conventions(
        model=kubeflow.PyTorchJob,
        container="pytorch",
        port_name=PORT_NAME,
        port=PORT,
        running=if_given(MASTER, any_active(MASTER), any_active(WORKER)),
        succeeded=if_given(MASTER, all_succeeded(MASTER), _worker_success),
        restart_policies={MASTER: RestartPolicy.ON_FAILURE, WORKER: RestartPolicy.ON_FAILURE},
        port_roles=ROLES,
        services=ROLES,
        scale_role=WORKER,
    ),
}


class PyTorch(Framework):
    kind = "PyTorchJob"
    replica_specs_field = "pytorchReplicaSpecs"
    roles = (
        RoleSpec(AIMASTER, max_replicas=1, only_in=KUBEDL),
        RoleSpec(MASTER, master=True, max_replicas=1),
        RoleSpec(WORKER),
    )
    conventions: Mapping[str, Conventions] = CONVENTIONS

    def is_master(self, job: Job, role: str, index: int) -> bool:
        return (role, index) == (_master_role(job), 0)

    def has_service(self, job: Job, role: str) -> bool:
        return role == _master_role(job) or super().has_service(job, role)

    def cluster_env(self, job: Job, role: str, index: int) -> list[EnvVar]:
        if job.api_version == KUBEFLOW:
            return env_vars(self._kubeflow_env(job, role, index))
        env = env_vars(self._kubedl_env(job, role, index))
        if role == AIMASTER or not self.world(job):
            return env
        field = {"fieldRef": {"fieldPath": f"metadata.annotations['{WORLD_SIZE}']"}}
        return [{"name": item["name"], "valueFrom": field} if item["name"] == "WORLD_SIZE" else item for item in env]

    def world(self, job: Job) -> Mapping[str, str]:
        """KubeDL writes the number into the pods that are there and restarts their containers, by a controller of its
        own that clusters seldom have. Here the whole job starts again, which its program sees no other."""
        elastic = job.api_version == KUBEDL and job.annotations.get(ELASTIC) == "true"
        return {WORLD_SIZE: str(_world_size(job))} if elastic else {}

    def _kubedl_env(self, job: Job, role: str, index: int) -> dict[str, str]:
        master = self.is_master(job, role, index)
        return {
            "MASTER_PORT": str(self.port(job, _master_role(job))),
            "MASTER_ADDR": "localhost" if master else job.child_name(_master_role(job), 0),
            # An AIMaster is no member of the world, and a rank of its own would be another replica's.
            **({} if role == AIMASTER else {"RANK": str(_rank(job, role, index))}),
            "PYTHONUNBUFFERED": "0",
            "WORLD_SIZE": str(_world_size(job)),
        }

    def _kubeflow_env(self, job: Job, role: str, index: int) -> dict[str, str]:
        master, rank = _master_role(job), str(_rank(job, role, index))
        address, port = job.child_name(master, 0), str(self.port(job, master))
        elastic: Mapping[str, Any] = job.options.get("elasticPolicy") or {}
        processes = str(job.options.get("nprocPerNode") or elastic.get("nProcPerNode") or "auto")
        env = {"PYTHONUNBUFFERED": "1"}
        if MASTER in job.roles or not elastic:
            env |= {
                "MASTER_PORT": port,
                "PET_MASTER_PORT": port,
                "MASTER_ADDR": address,
                "PET_MASTER_ADDR": address,
                "WORLD_SIZE": str(job.total_replicas * (int(processes) if processes.isdecimal() else 1)),
                "RANK": rank,
                "PET_NODE_RANK": rank,
            }
        env["PET_NPROC_PER_NODE"] = processes
        env["PET_NNODES"] = _nodes(job, elastic)
        return env | _rendezvous(job, elastic, port) if elastic else env

    def objects(self, job: Job) -> Sequence[Extra]:
        elastic = job.options.get("elasticPolicy") if job.api_version == KUBEFLOW else None
        return autoscalers(job, elastic or {}, WORKER)


def _master_role(job: Job) -> str:
    return next(role for role in (MASTER, WORKER, AIMASTER) if role in job.roles)


def _world_size(job: Job) -> int:
    return sum(spec.replicas for name, spec in job.roles.items() if name != AIMASTER)


def _rank(job: Job, role: str, index: int) -> int:
    """The Master is 0 and Workers follow; without a Master a Worker's rank is its index."""
    return index if role == _master_role(job) else index + 1


def _nodes(job: Job, elastic: Mapping[str, Any]) -> str:
    """``PET_NNODES``: the number of replicas, or ``least:most`` of an elastic job. One given bound stands for both."""
    if not elastic:
        return str(job.total_replicas)
    workers = job.roles[WORKER].replicas if WORKER in job.roles else job.total_replicas
    return replica_range(elastic, workers)


def _rendezvous(job: Job, elastic: Mapping[str, Any], port: str) -> dict[str, str]:
    """What torchrun reads to find the rendezvous of an elastic job."""
    host = elastic.get("rdzvHost") or job.child_name(WORKER, 0)
    env = {
        "PET_RDZV_ENDPOINT": f"{host}:{elastic.get('rdzvPort') or port}",
        "PET_RDZV_BACKEND": str(elastic.get("rdzvBackend") or "c10d"),
    }
    if elastic.get("maxRestarts") is not None:
        env["PET_MAX_RESTARTS"] = str(elastic["maxRestarts"])
    if elastic.get("rdzvId"):
        env["PET_RDZV_ID"] = str(elastic["rdzvId"])
    if elastic.get("rdzvConf"):
        env["PET_RDZV_CONF"] = ",".join(f"{item['key']}={item['value']}" for item in elastic["rdzvConf"])
    if elastic.get("standalone"):
        env["PET_STANDALONE"] = ""
    return env
