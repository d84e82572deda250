"""MPIJobs of v2beta1: mpirun starts its processes by SSH. Each job has keys of its own, and a service in which its pods
have names.

Names, paths and variables are those of the MPI operator, whose images work unchanged:
https://github.com/kubeflow/mpi-operator/blob/v0.6.0/pkg/apis/kubeflow/v2beta1/types.go
"""

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from kdl_runtime.resources.registry import SECRETS, SERVICES
from kdl_workloads import template as templates
from kdl_workloads.dialects.kubeflow import JOB_NAME, JOB_ROLE
from kdl_workloads.framework import Conventions, EnvVar, Extra, Words, env_vars
from kdl_workloads.frameworks.mpi_files import (
    CONFIG_DIRECTORY,
    HOST_MODES,
    HOSTFILE,
    INTEL_MPI,
    LAUNCHER,
    MPICH,
    NO_DEVICES,
    OPEN_MPI,
    config_map,
    config_volume,
    host_files,
    slots,
)
from kdl_workloads.job import ConditionType, Job, RestartPolicy

AUTH_DIRECTORY = "/root/.ssh"
AUTH_VOLUME = "ssh-auth"
PRIVATE_KEY, PUBLIC_KEY = "ssh-privatekey", "ssh-publickey"
KEY_FILES = {"id_rsa": PRIVATE_KEY, "id_rsa.pub": PUBLIC_KEY, "authorized_keys": PUBLIC_KEY}
"""The files that ssh and sshd look for by default; the key is no RSA key all the same."""
SERVER = ["/usr/sbin/sshd", "-De"]
CLUSTER_DOMAIN = "cluster.local"
RETRIES = "-o ConnectionAttempts=10"
IMPLEMENTATIONS = {"Intel": INTEL_MPI, "MPICH": MPICH}
_VARIABLES = {
    OPEN_MPI: {
        "OMPI_MCA_orte_keep_fqdn_hostnames": "true",
        "OMPI_MCA_orte_default_hostfile": HOSTFILE,
        "OMPI_MCA_plm_rsh_args": RETRIES,
    },
    INTEL_MPI: {"I_MPI_HYDRA_HOST_FILE": HOSTFILE, "I_MPI_HYDRA_BOOTSTRAP_EXEC_EXTRA_ARGS": RETRIES},
    MPICH: {"HYDRA_HOST_FILE": HOSTFILE, "HYDRA_LAUNCH_EXTRA_ARGS": RETRIES},
}
_SLOTS_VARIABLE = {OPEN_MPI: "OMPI_MCA_orte_set_default_slots", INTEL_MPI: "I_MPI_PERHOST"}


def conventions(base: Conventions) -> Conventions:
    """``base``: Kubeflow's of MPIJobs. The launcher is a batch/v1 Job in the MPI operator, and that Job's limit of 6
    failures is the default."""
    return replace(
        base,
        restart_policies={
            **dict.fromkeys(base.restart_policies, RestartPolicy.NEVER),
            LAUNCHER: RestartPolicy.ON_FAILURE,
        },
        backoff_limit=6,
        port_roles=frozenset(),
        waits_for={},
        wording={
            ConditionType.RUNNING: Words("{kind} {namespace}/{name} is running."),
            ConditionType.SUCCEEDED: Words("{kind} {namespace}/{name} successfully completed."),
        },
        defaults={"sshAuthMountPath": AUTH_DIRECTORY},
    )


def pod_template(job: Job, role: str, name: str, domain: str) -> templates.Template:
    """``name``: of the pod. ``domain``: of the cluster, cluster.local if it is empty."""
    template = job.roles[role].template
    return _launcher(job, template, name) if role == LAUNCHER else _worker(job, template, name, domain)


def _launcher(job: Job, template: templates.Template, name: str) -> templates.Template:
    variables = {"K_MPI_JOB_ROLE": "launcher", **_VARIABLES[_implementation(job)]}
    if slots_variable := _SLOTS_VARIABLE.get(_implementation(job)):
        variables[slots_variable] = str(slots(job))
    if not _launcher_computes(job):
        variables |= NO_DEVICES
    template = _with_keys(job, _named(job, template, name, "launcher"), env_vars(variables))
    return templates.with_volume(template, config_volume(job, HOST_MODES), _first(template), CONFIG_DIRECTORY)


def _worker(job: Job, template: templates.Template, name: str, domain: str) -> templates.Template:
    """It waits for connections, unless the user has it do something else."""
    template = _with_keys(job, _named(job, template, name, "worker"), env_vars({"K_MPI_JOB_ROLE": "worker"}))
    first = _first(template)

    def serve(container: templates.Container) -> templates.Container:
        idle = not (container.get("command") or container.get("args"))
        return {**container, "command": SERVER} if idle and container.get("name") == first else container

    template = templates.map_containers(template, serve)
    # Processes of Intel MPI and MPICH look for the launcher by its bare host name.
    own = template["spec"].get("dnsConfig") or {}
    search = f"{job.name}.{job.namespace}.svc.{domain or CLUSTER_DOMAIN}"
    dns = {**own, "searches": [*(own.get("searches") or ()), search]}
    return {**template, "spec": {**template["spec"], "dnsConfig": dns}}


def objects(job: Job, launcher: str, workers: Sequence[str]) -> Iterator[Extra]:
    """``launcher``, ``workers``: names of the pods."""
    labels = {"app": job.name}
    hosts = [launcher, *workers] if _launcher_computes(job) else workers
    names = [f"{host}.{job.name}.{job.namespace}.svc" for host in hosts]
    yield config_map(job, host_files(names, slots(job), _implementation(job), discovered="{}"))
    service = {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": {JOB_NAME: job.name}}
    yield Extra(SERVICES, {"metadata": {"name": job.name, "labels": labels}, "spec": service}, once=True)
    secret = {"metadata": {"name": _secret_name(job), "labels": labels}, "type": "kubernetes.io/ssh-auth"}
    yield Extra(SECRETS, secret, secret=new_keys)


def new_keys() -> dict[str, Any]:
    """``data`` of a Secret with an ECDSA P-521 key pair: PEM, and a line of authorized_keys."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    key = ec.generate_private_key(ec.SECP521R1())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH) + b"\n"
    return {"data": {PRIVATE_KEY: b64encode(private).decode(), PUBLIC_KEY: b64encode(public).decode()}}


def _secret_name(job: Job) -> str:
    """With a part of the job's UID: what is there of that name can only be of this very job."""
    return f"{job.name}-ssh-{job.uid[:8]}"


def _launcher_computes(job: Job) -> bool:
    return job.options.get("runLauncherAsWorker") is True


def _implementation(job: Job) -> str:
    return IMPLEMENTATIONS.get(str(job.options.get("mpiImplementation") or ""), OPEN_MPI)


def _first(template: templates.Template) -> str:
    """The container that the MPI operator means where it says the main one."""
    return str(templates.containers(template)[0].get("name"))


def _named(job: Job, template: templates.Template, name: str, role: str) -> templates.Template:
    """The pod has its name in the job's service, also where it is in the network of its node."""
    metadata = template.get("metadata") or {}
    labelled = {**metadata, "labels": {**(metadata.get("labels") or {}), JOB_ROLE: role}}
    spec: Mapping[str, Any] = {**template["spec"], "hostname": name, "subdomain": job.name}
    if spec.get("hostNetwork"):
        spec = {**spec, "dnsPolicy": "ClusterFirstWithHostNet"}
    return {**template, "metadata": labelled, "spec": spec}


def _with_keys(job: Job, template: templates.Template, env: list[EnvVar]) -> templates.Template:
    directory = str(job.options.get("sshAuthMountPath") or AUTH_DIRECTORY)
    items = [{"key": key, "path": path} for path, key in KEY_FILES.items()]
    source: dict[str, Any] = {"secretName": _secret_name(job), "items": items}
    if directory == AUTH_DIRECTORY:
        # Of another user's directory the security context says who may read it.
        source["defaultMode"] = 0o600
    template = templates.with_env(template, env, _first(template))
    return templates.with_volume(template, {"name": AUTH_VOLUME, "secret": source}, _first(template), directory)
