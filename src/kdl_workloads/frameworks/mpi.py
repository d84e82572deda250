"""MPIJob: a Launcher that runs mpirun, and Workers in which it starts processes by a remote shell (``kdl_rsh``)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from kdl_rsh import pod
from kdl_rsh.script import SCRIPT
from kdl_runtime.resources.registry import CONFIGMAPS, ROLE_BINDINGS, SERVICE_ACCOUNTS
from kdl_workloads import template as templates
from kdl_workloads.api import kubedl, kubeflow
from kdl_workloads.dialects import mpi_legacy
from kdl_workloads.framework import (
    KUBEDL,
    KUBEFLOW,
    WORKER,
    Conventions,
    Extra,
    Framework,
    Phase,
    Roles,
    RoleSpec,
    Words,
    all_succeeded,
    any_active,
    env_vars,
)
from kdl_workloads.frameworks.mpi_files import CONFIG_DIRECTORY, discover_hosts, hostfile, variables
from kdl_workloads.job import CleanPodPolicy, ConditionType, Job, RestartPolicy

LAUNCHER = "Launcher"
ROLES = frozenset({LAUNCHER, WORKER})
CLUSTER_ROLE = "kdl-mpi-launcher"
"""What the agent of a launcher may do in its namespace. It is installed with the operator."""
AGENT_IMAGE = "docker.io/kdl/operator:dev"
CONFIG_VOLUME = "mpi-job-config"
CONFIG_MOUNT = {"name": CONFIG_VOLUME, "mountPath": CONFIG_DIRECTORY}
SHELL = "kubexec.sh"
MODES = {SHELL: 0o555, "hostfile": 0o444, "discover_hosts.sh": 0o555}
"""The files of the launcher."""
SLEEP = {"command": ["sleep"], "args": ["365d"]}
GPU = "nvidia.com/gpu"


def _all_run(_job: Job, roles: Roles) -> bool:
    return all(state.active == state.replicas for state in roles.values())


KUBEFLOW_CONVENTIONS = Conventions(
    model=kubeflow.MPIJob,
    container="mpi",
    any_container=True,
    port_name="mpi-port",
    port=9999,
    running=any_active(LAUNCHER),
    succeeded=all_succeeded(LAUNCHER),
    restart_policies=dict.fromkeys(ROLES, RestartPolicy.NEVER),
    port_roles=ROLES,
    services=frozenset(),
    required=frozenset({LAUNCHER}),
    waits_for={LAUNCHER: {WORKER: Phase.RUNNING}},
    pod_names={LAUNCHER: "{job}-launcher"},
    wording={
        ConditionType.RUNNING: Words("{kind} {name} is running."),
        ConditionType.SUCCEEDED: Words("{kind} {name} is successfully completed."),
    },
    scale_role=WORKER,
)
KUBEDL_CONVENTIONS = replace(
    KUBEFLOW_CONVENTIONS,
    model=kubedl.MPIJob,
    port=2222,
    running=_all_run,
    implied=frozenset({LAUNCHER}),
    clean_pod_policy=CleanPodPolicy.RUNNING,
    pod_names={},
    wording={
        ConditionType.SUCCEEDED: Words("{kind} {name} has successfully completed."),
        ConditionType.FAILED: Words("{kind} {name} is failed because {count} {role} replica(s) failed"),
        ConditionType.RESTARTING: Words("{kind} {name} is restarting because {count} {role} replica(s) failed"),
    },
    scale_role="",
)


class MPI(Framework):
    """``agent_image``: has the command ``kdl rsh-agent``; the operator's own image does."""

    kind = "MPIJob"
    replica_specs_field = "mpiReplicaSpecs"
    roles = (RoleSpec(WORKER, min_replicas=0), RoleSpec(LAUNCHER, max_replicas=1))
    conventions: Mapping[str, Conventions] = {KUBEDL: KUBEDL_CONVENTIONS, KUBEFLOW: KUBEFLOW_CONVENTIONS}

    def __init__(self, agent_image: str = "") -> None:
        self._agent_image = agent_image or AGENT_IMAGE

    def current_spec(self, api_version: str, spec: Mapping[str, Any]) -> Mapping[str, Any]:
        return mpi_legacy.kubedl_spec(spec) if api_version == KUBEDL else mpi_legacy.kubeflow_spec(spec)

    def is_master(self, job: Job, role: str, index: int) -> bool:
        return role == LAUNCHER and job.api_version == KUBEFLOW

    def pod_template(self, job: Job, role: str, index: int) -> templates.Template:
        template = job.roles[role].template
        return self._launcher(job, template) if role == LAUNCHER else _worker(job, template)

    def objects(self, job: Job) -> Sequence[Extra]:
        workers = (
            [self.child_name(job, WORKER, i) for i in range(job.roles[WORKER].replicas)] if WORKER in job.roles else []
        )
        launcher = self.child_name(job, LAUNCHER, 0)
        hosts = [launcher, *workers] if _computes(job) else workers
        files = {
            "hostfile": hostfile(job, hosts),
            SHELL: SCRIPT,
            "discover_hosts.sh": discover_hosts(job, hosts),
        }
        config = Extra(
            CONFIGMAPS, {"metadata": {"name": f"{job.name}-config", "labels": {"app": job.name}}, "data": files}
        )
        account = _service_account(job)
        rule = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": CLUSTER_ROLE}
        subject = {"kind": "ServiceAccount", "name": account, "namespace": job.namespace}
        binding = {"metadata": {"name": f"{job.name}-launcher"}, "roleRef": rule, "subjects": [subject]}
        own_account = account == f"{job.name}-launcher"
        accounts = [Extra(SERVICE_ACCOUNTS, {"metadata": {"name": account}}, once=True)] if own_account else []
        return [config, *accounts, Extra(ROLE_BINDINGS, binding, once=True)]

    def _launcher(self, job: Job, template: templates.Template) -> templates.Template:
        """With the files that mpirun reads, and the agent that starts its processes. Only the agent has a token: the
        pod's own is not mounted unless the user has chosen the service account."""
        mounts = (CONFIG_MOUNT, pod.EXCHANGE_MOUNT)
        names = [container.get("name") for container in templates.containers(template)]

        def change(container: templates.Container) -> templates.Container:
            changed = _mounting(container, *mounts)
            if job.api_version == KUBEFLOW and container.get("name") != names[0]:
                return changed
            env = env_vars(variables(job))
            if job.api_version == KUBEFLOW and not templates.pod_request(template, GPU):
                env += env_vars({"NVIDIA_VISIBLE_DEVICES": "", "NVIDIA_DRIVER_CAPABILITIES": ""})
            return {**changed, "env": templates.merge_env(container.get("env") or (), env)}

        template = templates.map_containers(template, change)
        spec = template["spec"]
        given = {"serviceAccountName": _service_account(job), "automountServiceAccountToken": False}
        spec = {**({} if spec.get("serviceAccountName") else given), **spec}
        workers = self.child_name(job, WORKER, 0).removesuffix("0")
        spec["initContainers"] = [
            pod.sidecar(self._agent_image, workers, str(job.options.get("mainContainer") or "")),
            *(spec.get("initContainers") or ()),
        ]
        spec["volumes"] = [*(spec.get("volumes") or ()), _config_volume(job, MODES), *pod.volumes()]
        return {**template, "spec": spec}


def _worker(job: Job, template: templates.Template) -> templates.Template:
    """It sleeps until processes are started in it, unless the user has it do something else. Open MPI's daemon does
    not begin where the remote shell is not, although it has no use for it there."""

    def change(container: templates.Container) -> templates.Container:
        idle = not (container.get("command") or container.get("args"))
        return _mounting({**container, **SLEEP} if idle else container, CONFIG_MOUNT)

    template = templates.map_containers(template, change)
    volume = _config_volume(job, {SHELL: MODES[SHELL]})
    return {**template, "spec": {**template["spec"], "volumes": [*(template["spec"].get("volumes") or ()), volume]}}


def _mounting(container: templates.Container, *mounts: Mapping[str, Any]) -> templates.Container:
    return {**container, "volumeMounts": [*(container.get("volumeMounts") or ()), *mounts]}


def _computes(job: Job) -> bool:
    """KubeDL's launcher takes part in the work where it asks for a device to do it with; Kubeflow's never does."""
    return job.api_version == KUBEDL and templates.pod_request(job.roles[LAUNCHER].template, GPU) > 0


def _service_account(job: Job) -> str:
    chosen = (job.roles[LAUNCHER].template.get("spec") or {}).get("serviceAccountName")
    return str(chosen or f"{job.name}-launcher")


def _config_volume(job: Job, modes: Mapping[str, int]) -> dict[str, Any]:
    items = [{"key": name, "path": name, "mode": mode} for name, mode in modes.items()]
    return {"name": CONFIG_VOLUME, "configMap": {"name": f"{job.name}-config", "items": items}}
