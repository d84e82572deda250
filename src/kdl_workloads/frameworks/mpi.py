"""MPIJob: a Launcher that runs mpirun, and Workers in which it starts processes, by a remote shell of ours
(``kdl_rsh``) or, in v2beta1, by SSH (``mpi_ssh``)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from kdl_rsh import pod
from kdl_rsh.script import SCRIPT
from kdl_runtime.resources.registry import ROLE_BINDINGS, SERVICE_ACCOUNTS
from kdl_workloads import template as templates
from kdl_workloads.api import kubedl, kubeflow
from kdl_workloads.dialects import mpi_legacy
from kdl_workloads.framework import (
    KUBEDL,
    KUBEFLOW,
    KUBEFLOW_V2BETA1,
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
from kdl_workloads.frameworks import mpi_ssh
from kdl_workloads.frameworks.mpi_files import (
    CONFIG_DIRECTORY,
    CONFIG_VOLUME,
    HOST_MODES,
    LAUNCHER,
    NO_DEVICES,
    config_map,
    config_volume,
    distribution,
    host_files,
    slots,
    variables,
)
from kdl_workloads.job import CleanPodPolicy, ConditionType, Job, RestartPolicy

ROLES = frozenset({LAUNCHER, WORKER})
AGENT_IMAGE = "docker.io/kdl/operator:dev"
CONFIG_MOUNT = {"name": CONFIG_VOLUME, "mountPath": CONFIG_DIRECTORY}
SHELL = "kubexec.sh"
MODES = {SHELL: 0o555, **HOST_MODES}
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
    """``agent_image``: has the command ``kdl rsh-agent``; the operator's own image does. ``cluster_domain``: with which
    the names of services end, cluster.local if it is empty."""

    kind = "MPIJob"
    replica_specs_field = "mpiReplicaSpecs"
    roles = (RoleSpec(WORKER, min_replicas=0), RoleSpec(LAUNCHER, max_replicas=1))
    conventions: Mapping[str, Conventions] = {
        KUBEDL: KUBEDL_CONVENTIONS,
        KUBEFLOW: KUBEFLOW_CONVENTIONS,
        KUBEFLOW_V2BETA1: mpi_ssh.conventions(replace(KUBEFLOW_CONVENTIONS, running=_all_run)),
    }

    def __init__(self, agent_image: str = "", cluster_domain: str = "") -> None:
        self._agent_image = agent_image or AGENT_IMAGE
        self._cluster_domain = cluster_domain

    def current_spec(self, api_version: str, spec: Mapping[str, Any]) -> Mapping[str, Any]:
        return mpi_legacy.current_spec(api_version, spec)

    def is_master(self, job: Job, role: str, index: int) -> bool:
        return role == LAUNCHER and job.api_version == KUBEFLOW

    def pod_template(self, job: Job, role: str, index: int) -> templates.Template:
        if job.api_version == KUBEFLOW_V2BETA1:
            return mpi_ssh.pod_template(job, role, self.child_name(job, role, index), self._cluster_domain)
        template = job.roles[role].template
        return self._launcher(job, template) if role == LAUNCHER else _worker(job, template)

    def objects(self, job: Job) -> Sequence[Extra]:
        replicas = job.roles[WORKER].replicas if WORKER in job.roles else 0
        workers = [self.child_name(job, WORKER, index) for index in range(replicas)]
        launcher = self.child_name(job, LAUNCHER, 0)
        if job.api_version == KUBEFLOW_V2BETA1:
            return list(mpi_ssh.objects(job, launcher, workers))
        hosts = [launcher, *workers] if _computes(job) else workers
        files = {**host_files(hosts, slots(job), distribution(job)), SHELL: SCRIPT}
        account, own = _service_account(job), f"{job.name}-launcher"
        accounts = [Extra(SERVICE_ACCOUNTS, {"metadata": {"name": own}}, once=True)] if account == own else []
        return [
            config_map(job, files),
            *accounts,
            Extra(ROLE_BINDINGS, pod.binding(own, account, job.namespace), once=True),
        ]

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
                env += env_vars(NO_DEVICES)
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
        spec["volumes"] = [*(spec.get("volumes") or ()), config_volume(job, MODES), *pod.volumes()]
        return {**template, "spec": spec}


def _worker(job: Job, template: templates.Template) -> templates.Template:
    """It sleeps until processes are started in it, unless the user has it do something else. Open MPI's daemon does
    not begin where the remote shell is not, although it has no use for it there."""

    def change(container: templates.Container) -> templates.Container:
        idle = not (container.get("command") or container.get("args"))
        return _mounting({**container, **SLEEP} if idle else container, CONFIG_MOUNT)

    template = templates.map_containers(template, change)
    volume = config_volume(job, {SHELL: MODES[SHELL]})
    return {**template, "spec": {**template["spec"], "volumes": [*(template["spec"].get("volumes") or ()), volume]}}


def _mounting(container: templates.Container, *mounts: Mapping[str, Any]) -> templates.Container:
    return {**container, "volumeMounts": [*(container.get("volumeMounts") or ()), *mounts]}


def _computes(job: Job) -> bool:
    """KubeDL's launcher takes part in the work where it asks for a device to do it with; Kubeflow's never does."""
    return job.api_version == KUBEDL and templates.pod_request(job.roles[LAUNCHER].template, GPU) > 0


def _service_account(job: Job) -> str:
    chosen = (job.roles[LAUNCHER].template.get("spec") or {}).get("serviceAccountName")
    return str(chosen or f"{job.name}-launcher")
