"""MarsJob: a Mars cluster of schedulers, web services and workers. The schedulers' end is the job's."""

from collections.abc import Mapping, Sequence
from typing import Any

from kdl_runtime.codec import json
from kdl_runtime.resources.registry import INGRESSES
from kdl_workloads import template as templates
from kdl_workloads.api import kubedl
from kdl_workloads.framework import (
    KUBEDL,
    WORKER,
    Conventions,
    EnvVar,
    Extra,
    Framework,
    Phase,
    RoleSpec,
    Words,
    all_succeeded,
    any_active,
    env_vars,
    field_var,
)
from kdl_workloads.job import ConditionType, Job, RestartPolicy

SCHEDULER, WEB_SERVICE = "Scheduler", "WebService"
NAMES = (SCHEDULER, WEB_SERVICE, WORKER)
SHARED_MEMORY = "/dev/shm"
POLICIES = ("memoryTuningPolicy", "workerMemoryTuningPolicy")
"""Both names of the settings of workers' memory. The second wins."""


class Mars(Framework):
    kind = "MarsJob"
    replica_specs_field = "marsReplicaSpecs"
    roles = tuple(RoleSpec(name) for name in NAMES)
    conventions: Mapping[str, Conventions] = {
        KUBEDL: Conventions(
            model=kubedl.MarsJob,
            container="mars",
            port_name="mars-port",
            port=11111,
            running=any_active(WORKER),
            succeeded=all_succeeded(SCHEDULER),
            restart_policies={
                SCHEDULER: RestartPolicy.NEVER,
                WEB_SERVICE: RestartPolicy.ALWAYS,
                WORKER: RestartPolicy.EXIT_CODE,
            },
            port_roles=frozenset(NAMES),
            services=frozenset(NAMES),
            required=frozenset({SCHEDULER}),
            waits_for={WEB_SERVICE: {SCHEDULER: Phase.RUNNING}, WORKER: {SCHEDULER: Phase.RUNNING}},
            wording={
                ConditionType.SUCCEEDED: Words("{kind} {name} has successfully completed."),
                ConditionType.FAILED: Words(
                    "{kind} {name} is failed because {count} {role} replica(s) failed", "MarsJobFailed"
                ),
                ConditionType.RESTARTING: Words(
                    "{kind} {name} is restarting because {count} {role} replica(s) failed", "MarsJobRestarting"
                ),
            },
        )
    }

    def fails_job(self, job: Job, role: str) -> bool:
        return role == SCHEDULER

    def cluster_env(self, job: Job, role: str, index: int) -> list[EnvVar]:
        container = templates.find_container(job.roles[role].template, self.conventions_for(job).container) or {}
        return [
            *env_vars(
                {
                    "MARS_CPU_TOTAL": str(_amount(container, "cpu")),
                    "MARS_MEMORY_TOTAL": str(_amount(container, "memory")),
                    "MARS_CPU_USE_PROCESS_STAT": "1",
                    "MARS_MEM_USE_CGROUP_STAT": "1",
                    "MARS_BIND_PORT": str(self.port(job, role)),
                    "MARS_K8S_GROUP_LABELS": "job-name",
                }
            ),
            field_var("MARS_CONTAINER_IP", "status.podIP"),
            field_var("MARS_K8S_POD_NAME", "metadata.name"),
            field_var("MARS_K8S_POD_NAMESPACE", "metadata.namespace"),
            *env_vars({"MARS_CLUSTER_DETAIL": json.encode(self._detail(job, role, index)).decode()}),
            *(env_vars(_memory_env(_policy(job), container)) if role == WORKER else ()),
        ]

    def pod_template(self, job: Job, role: str, index: int) -> templates.Template:
        name, template = self.conventions_for(job).container, job.roles[role].template
        template = templates.with_env(template, self.cluster_env(job, role, index), name)
        container = templates.find_container(template, name)
        if role != WORKER or container is None:
            return template
        for volume, path in _volumes(_policy(job), container):
            template = templates.with_volume(template, volume, name, path)
        return template

    def objects(self, job: Job) -> Sequence[Extra]:
        host = job.options.get("webHost")
        return [self._ingress(job, str(host), index) for index in self._web_services(job)] if host else []

    def status_fields(self, job: Job) -> Mapping[str, Any]:
        host = job.options.get("webHost")
        found = [f"{host}{self._web_path(job, index)}" for index in self._web_services(job)] if host else None
        return {"webServiceAddresses": found}

    def _detail(self, job: Job, role: str, index: int) -> dict[str, Any]:
        """Workers are not listed: they may come and go, and find the others."""
        task: dict[str, Any] = {"type": role.lower(), "index": index}
        if role == WORKER:
            template = job.roles[role].template
            cpu, memory = (templates.pod_request(template, name) for name in ("cpu", "memory"))
            task["resources"] = {"cpu_procs": cpu, "phy_mem": memory}
        return {"cluster": self.cluster(job, NAMES[:2], f".{job.namespace}.svc"), "task": task}

    def _web_services(self, job: Job) -> range:
        return range(job.roles[WEB_SERVICE].replicas if WEB_SERVICE in job.roles else 0)

    def _web_path(self, job: Job, index: int) -> str:
        return f"/mars/{job.namespace}/{self.child_name(job, WEB_SERVICE, index)}"

    def _ingress(self, job: Job, host: str, index: int) -> Extra:
        name, path = self.child_name(job, WEB_SERVICE, index), self._web_path(job, index)
        backend = {"service": {"name": name, "port": {"number": self.port(job, WEB_SERVICE)}}}
        paths = [
            {"path": each, "pathType": "ImplementationSpecific", "backend": backend} for each in (f"{path}/(.*)", path)
        ]
        labels = {"replica-type": WEB_SERVICE.lower()}
        annotations = {"nginx.ingress.kubernetes.io/rewrite-target": "/$1"}
        metadata = {"name": name, "labels": labels, "annotations": annotations}
        return Extra(INGRESSES, {"metadata": metadata, "spec": {"rules": [{"host": host, "http": {"paths": paths}}]}})


def _amount(container: templates.Container, name: str) -> int:
    """What the container requests of a resource, else its limit, in whole cores or bytes, rounded up; 0 for neither."""
    resources = container.get("resources") or {}
    given = next((part[name] for part in map(resources.get, ("requests", "limits")) if part and name in part), 0)
    return templates.whole(given)


def _policy(job: Job) -> dict[str, Any]:
    policy = {"plasmaStore": SHARED_MEMORY, "lockFreeFileIO": True}
    for name in POLICIES:
        policy |= {key: value for key, value in (job.options.get(name) or {}).items() if value is not None}
    return policy


def _memory_env(policy: Mapping[str, Any], container: templates.Container) -> dict[str, str]:
    env = {"MARS_SPILL_DIRS": ",".join(policy["spillDirs"])} if policy.get("spillDirs") else {}
    if policy["plasmaStore"]:
        env["MARS_PLASMA_DIRS"] = policy["plasmaStore"]
    env["MARS_LOCK_FREE_FILEIO"] = str(int(policy["lockFreeFileIO"]))
    if cache := _cache_size(policy, container):
        env["MARS_CACHE_MEM_SIZE"] = str(cache)
    return env


def _cache_size(policy: Mapping[str, Any], container: templates.Container) -> int:
    if policy.get("workerCacheSize") is not None:
        return templates.whole(policy["workerCacheSize"])
    percentage: int = policy.get("workerCachePercentage", 0)
    return _amount(container, "memory") * min(percentage, 100) // 100


def _volumes(policy: Mapping[str, Any], container: templates.Container) -> list[tuple[dict[str, Any], str]]:
    """The volumes that the worker's memory needs, and where they are mounted."""
    spill = policy.get("spillDirs") or []
    storage = (container.get("resources") or {}).get("requests", {}).get("ephemeral-storage")
    limit = {"sizeLimit": str(templates.whole(storage) // len(spill))} if storage and spill else {}
    volumes = [({"name": f"mars-empty-dir-{i}", "emptyDir": dict(limit)}, path) for i, path in enumerate(spill)]
    if cache := _cache_size(policy, container):
        shared = {"name": "mars-shared-cache", "emptyDir": {"medium": "Memory", "sizeLimit": str(cache)}}
        volumes.append((shared, policy["plasmaStore"] or SHARED_MEMORY))
    return volumes
