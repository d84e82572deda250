"""XDLJob: XDL's parameter servers and workers, which meet in a ZooKeeper of the user's."""

from collections.abc import Mapping
from typing import Any

from kdl_runtime.codec import json
from kdl_workloads import template as templates
from kdl_workloads.api import kubedl
from kdl_workloads.framework import (
    KUBEDL,
    WORKER,
    Conventions,
    EnvVar,
    Framework,
    Roles,
    RoleSpec,
    any_active,
    env_vars,
)
from kdl_workloads.job import CleanPodPolicy, Job, RestartPolicy

NAMES = ("PS", "Scheduler", WORKER, "ExtendRole")
WORKERS = (WORKER, "ExtendRole")
ZOOKEEPER = "ZK_ADDR"
RATE = 90


def _succeeded(job: Job, roles: Roles) -> bool:
    """So many workers as the job asks for. A job without workers never succeeds by doing nothing."""
    states = [roles[name] for name in WORKERS if name in roles]
    total = sum(state.replicas for state in states)
    done = sum(index < state.replicas for state in states for index in state.succeeded_indexes)
    rate: int | None = job.options.get("minFinishWorkRate")
    number: int | None = job.options.get("minFinishWorkNum")
    if rate is None and number is not None:
        wanted = min(number, total)
    else:
        wanted = -(-total * (RATE if rate is None else rate) // 100)
    return total > 0 and done >= max(wanted, 1)


class XDL(Framework):
    kind = "XDLJob"
    replica_specs_field = "xdlReplicaSpecs"
    roles = tuple(RoleSpec(name) for name in NAMES)
    conventions: Mapping[str, Conventions] = {
        KUBEDL: Conventions(
            model=kubedl.XDLJob,
            container="xdl",
            port_name="xdljob-port",
            port=2222,
            running=any_active(*NAMES),
            succeeded=_succeeded,
            restart_policies=dict.fromkeys(NAMES, RestartPolicy.NEVER),
            port_roles=frozenset(NAMES),
            services=frozenset(NAMES),
            clean_pod_policy=CleanPodPolicy.RUNNING,
            backoff_limit=20,
        )
    }

    def cluster_env(self, job: Job, role: str, index: int) -> list[EnvVar]:
        return env_vars({"TASK_NAME": role.lower(), "TASK_INDEX": str(index)})

    def pod_template(self, job: Job, role: str, index: int) -> templates.Template:
        """Each job has a directory of its own in ZooKeeper."""

        def with_directory(container: templates.Container) -> templates.Container:
            env = [_in_directory(item, job.uid) for item in container.get("env") or ()]
            return {**container, "env": env} if env else container

        template = templates.map_containers(super().pod_template(job, role, index), with_directory)
        task = {"type": role.lower(), "index": index}
        config: dict[str, Any] = {"cluster": self.cluster(job, NAMES), "task": task}
        text = json.encode(config).decode()
        return templates.with_env(template, env_vars({"XDL_CONFIG": text}), self.conventions_for(job).container)


def _in_directory(item: EnvVar, name: str) -> EnvVar:
    if item.get("name") != ZOOKEEPER or not item.get("value"):
        return item
    return {**item, "value": f"{item['value'].removesuffix('/')}/{name}"}
