"""MXJob: MXNet's and BytePS' scheduler, servers and workers, or the tracker, servers and tuner of TVM's auto-tuning."""

from collections.abc import Mapping
from typing import Any

from kdl_runtime.codec import json
from kdl_workloads.api import kubeflow
from kdl_workloads.framework import (
    KUBEFLOW,
    WORKER,
    Conventions,
    EnvVar,
    Framework,
    RoleSpec,
    Words,
    all_succeeded,
    any_active,
    env_vars,
    if_given,
)
from kdl_workloads.job import ConditionType, Job, RestartPolicy

SCHEDULER, SERVER, TUNER = "Scheduler", "Server", "Tuner"
NAMES = (SCHEDULER, SERVER, WORKER, "TunerTracker", "TunerServer", TUNER)
TUNER_KEY = "tuner-server-key"
"""Annotation of a role's template: the key under which its tuning servers offer their hardware to the tracker."""


class MXNet(Framework):
    """Kubeflow calls the job a success as soon as all replicas of any role have ended; here its Workers, or its Tuner,
    have to."""

    kind = "MXJob"
    replica_specs_field = "mxReplicaSpecs"
    roles = tuple(
        RoleSpec(name, master=name == SERVER, max_replicas=1 if name == SCHEDULER else None) for name in NAMES
    )
    conventions: Mapping[str, Conventions] = {
        KUBEFLOW: Conventions(
            model=kubeflow.MXJob,
            container="mxnet",
            port_name="mxjob-port",
            port=9091,
            running=any_active(*NAMES),
            succeeded=if_given(
                WORKER, all_succeeded(WORKER), if_given(TUNER, all_succeeded(TUNER), all_succeeded(*NAMES))
            ),
            restart_policies=dict.fromkeys(NAMES, RestartPolicy.NEVER),
            port_roles=frozenset(NAMES),
            services=frozenset(NAMES),
            wording={
                ConditionType.RUNNING: Words("{kind} {name} is running."),
                ConditionType.SUCCEEDED: Words("{kind} {name} is successfully completed."),
            },
        )
    }

    def cluster_env(self, job: Job, role: str, index: int) -> list[EnvVar]:
        scheduler = SCHEDULER in job.roles
        env = {
            "MX_CONFIG": json.encode(self._config(job, role, index)).decode(),
            "DMLC_PS_ROOT_PORT": str(self.port(job, SCHEDULER)) if scheduler else "0",
            "DMLC_PS_ROOT_URI": self.child_name(job, SCHEDULER, 0) if scheduler else "",
            "DMLC_NUM_SERVER": str(_replicas(job, SERVER)),
            "DMLC_NUM_WORKER": str(_replicas(job, WORKER)),
            "DMLC_ROLE": role.lower(),
            "DMLC_USE_KUBERNETES": "1",
        }
        if role == WORKER:
            env["DMLC_WORKER_ID"] = str(index)
        return env_vars(env)

    def _config(self, job: Job, role: str, index: int) -> dict[str, Any]:
        given = sorted(job.roles, key=str.lower)
        return {
            "cluster": {
                name.lower(): [
                    {"url": self.child_name(job, name, i), "port": self.port(job, name)}
                    for i in range(job.roles[name].replicas)
                ]
                for name in given
            },
            "labels": {name.lower(): _tuner_key(job, name) for name in given},
            "task": {"type": role.lower(), "index": index},
        }


def _replicas(job: Job, role: str) -> int:
    return job.roles[role].replicas if role in job.roles else 0


def _tuner_key(job: Job, role: str) -> str:
    metadata = job.roles[role].template.get("metadata") or {}
    return str((metadata.get("annotations") or {}).get(TUNER_KEY, ""))
