"""TFJob: TensorFlow's strategies for many workers and for parameter servers, which read ``TF_CONFIG``."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kdl_runtime.codec import json
from kdl_workloads import template as templates
from kdl_workloads.api import kubedl, kubeflow
from kdl_workloads.framework import (
    AIMASTER,
    AIMASTER_GATE,
    KUBEDL,
    KUBEFLOW,
    MASTER,
    WORKER,
    Conventions,
    EnvVar,
    Framework,
    Phase,
    Roles,
    RoleSpec,
    Words,
    all_succeeded,
    any_active,
    env_vars,
)
from kdl_workloads.job import CleanPodPolicy, ConditionType, Job, RestartPolicy

CHIEF, PS, EVALUATOR = "Chief", "PS", "Evaluator"
TRAINING = frozenset({PS, MASTER, CHIEF, WORKER, EVALUATOR})
CHIEFS = (MASTER, CHIEF)


def _chiefs(job: Job) -> tuple[str, ...]:
    return tuple(role for role in CHIEFS if role in job.roles)


def _deciding(job: Job) -> tuple[str, ...]:
    """The roles whose end is the job's: of a Chief, else the Workers', else that of all there are."""
    return _chiefs(job) or ((WORKER,) if WORKER in job.roles else tuple(job.roles))


def _running(job: Job, roles: Roles) -> bool:
    return any_active(AIMASTER, *_deciding(job))(job, roles)


def _succeeded(job: Job, roles: Roles) -> bool:
    """Without a Chief the first Worker decides, unless the policy asks for all of them."""
    every = job.options.get("successPolicy") == "AllWorkers"
    if not _chiefs(job) and WORKER in roles and not every and 0 in roles[WORKER].succeeded_indexes:
        return True
    return all_succeeded(*_deciding(job))(job, roles)


def _succeeded_kubedl(job: Job, roles: Roles) -> bool:
    """KubeDL asks for all Workers besides a Chief, too, and an AIMaster's success is enough."""
    if all_succeeded(AIMASTER)(job, roles):
        return True
    workers_too = job.options.get("successPolicy") == "AllWorkers" and WORKER in roles
    return _succeeded(job, roles) and (not workers_too or roles[WORKER].all_succeeded)


KUBEFLOW_CONVENTIONS = Conventions(
    model=kubeflow.TFJob,
    container="tensorflow",
    port_name="tfjob-port",
    port=2222,
    running=_running,
    succeeded=_succeeded,
    restart_policies=dict.fromkeys(TRAINING, RestartPolicy.NEVER),
    port_roles=TRAINING,
    services=TRAINING,
    wording={
        ConditionType.RUNNING: Words("{kind} {namespace}/{name} is running."),
        ConditionType.SUCCEEDED: Words("{kind} {namespace}/{name} successfully completed."),
        ConditionType.FAILED: Words("{kind} {namespace}/{name} has failed because {count} {role} replica(s) failed."),
    },
)
_AFTER_AIMASTER = {AIMASTER: Phase.RUNNING}
_AFTER_PS = {PS: Phase.RUNNING, **_AFTER_AIMASTER}
KUBEDL_CONVENTIONS = replace(
    KUBEFLOW_CONVENTIONS,
    model=kubedl.TFJob,
    succeeded=_succeeded_kubedl,
    restart_policies=dict.fromkeys((*TRAINING, AIMASTER), RestartPolicy.EXIT_CODE),
    port_roles=TRAINING | {AIMASTER},
    services=TRAINING | {AIMASTER},
    clean_pod_policy=CleanPodPolicy.RUNNING,
    waits_for={
        PS: _AFTER_AIMASTER,
        MASTER: _AFTER_PS,
        CHIEF: _AFTER_PS,
        WORKER: _AFTER_PS,
        EVALUATOR: _AFTER_AIMASTER,
    },
    gate=AIMASTER_GATE,
    wording={ConditionType.SUCCEEDED: Words("{kind} {name} successfully completed.")},
)


class TensorFlow(Framework):
    """``cluster_domain`` ends the names in ``TF_CONFIG`` where the clusters' search path does not find them."""

    kind = "TFJob"
    replica_specs_field = "tfReplicaSpecs"
    roles = (
        RoleSpec(AIMASTER, master=True, max_replicas=1, only_in=KUBEDL),
        RoleSpec(PS),
        RoleSpec(MASTER, master=True, max_replicas=1),
        RoleSpec(CHIEF, master=True, max_replicas=1),
        RoleSpec(WORKER),
        RoleSpec(EVALUATOR),
    )
    conventions: Mapping[str, Conventions] = {KUBEDL: KUBEDL_CONVENTIONS, KUBEFLOW: KUBEFLOW_CONVENTIONS}

    def __init__(self, cluster_domain: str = "") -> None:
        self._domain = f".{cluster_domain}" if cluster_domain else ""

    def is_master(self, job: Job, role: str, index: int) -> bool:
        """In Kubeflow the first Worker is the master of a job without a Chief."""
        first_worker = job.api_version == KUBEFLOW and (role, index) == (WORKER, 0)
        return super().is_master(job, role, index) or (first_worker and not _chiefs(job))

    def fails_job(self, job: Job, role: str) -> bool:
        return not (role == WORKER and job.options.get("enableDynamicWorker"))

    def pod_template(self, job: Job, role: str, index: int) -> templates.Template:
        container = self.conventions_for(job).container
        return templates.with_env(job.roles[role].template, self.cluster_env(job, role, index), container)

    def cluster_env(self, job: Job, role: str, index: int) -> list[EnvVar]:
        if sum(spec.replicas for name, spec in job.roles.items() if name != AIMASTER) <= 1:
            return []
        config = self._sparse if job.options.get("enableDynamicWorker") else self._full
        return env_vars({"TF_CONFIG": json.encode(config(job, role, index)).decode()})

    def _full(self, job: Job, role: str, index: int) -> dict[str, Any]:
        """An AIMaster takes no part in the training, and KubeDL's evaluators are not told of to the others."""
        apart = {AIMASTER, EVALUATOR} if job.api_version == KUBEDL else {AIMASTER}
        cluster = self.cluster(job, job.roles.keys() - apart, self._suffix(job))
        return {"cluster": cluster, "task": _task(role, index), "environment": "cloud"}

    def _sparse(self, job: Job, role: str, index: int) -> dict[str, Any]:
        """A Worker knows itself and the parameter servers, a parameter server only itself; so Workers may come and
        go. Null and empty lists are Kubeflow's."""
        full = self.cluster(job, (PS, WORKER), self._suffix(job))
        sparse: dict[str, Any] = {"worker": {}, "ps": []}
        if role == WORKER:
            sparse = {"worker": {str(index): full["worker"][index]}, "ps": full.get("ps")}
        elif role == PS:
            sparse["ps"] = [full["ps"][index]]
        return {"sparseCluster": sparse, "task": _task(role, index)}

    def _suffix(self, job: Job) -> str:
        return f".{job.namespace}.svc{self._domain}"


def _task(role: str, index: int) -> dict[str, Any]:
    return {"type": role.lower(), "index": index}
