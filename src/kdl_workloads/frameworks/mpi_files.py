"""What mpirun reads: the hosts, and where they and the remote shell are. Each MPI has its own words for it."""

from collections.abc import Mapping, Sequence
from typing import Any

from kdl_runtime.resources.registry import CONFIGMAPS
from kdl_workloads import template as templates
from kdl_workloads.framework import KUBEDL, Extra
from kdl_workloads.job import Job

LAUNCHER = "Launcher"
CONFIG_VOLUME, CONFIG_DIRECTORY = "mpi-job-config", "/etc/mpi"
HOST_MODES = {"hostfile": 0o444, "discover_hosts.sh": 0o555}
"""The files with the hosts."""
NO_DEVICES = {"NVIDIA_VISIBLE_DEVICES": "", "NVIDIA_DRIVER_CAPABILITIES": ""}
"""For a launcher that takes no part in the work."""
HOSTFILE, REMOTE_SHELL = f"{CONFIG_DIRECTORY}/hostfile", f"{CONFIG_DIRECTORY}/kubexec.sh"
OPEN_MPI, INTEL_MPI, MPICH = "OpenMPI", "IntelMPI", "MPICH"
_OPEN_MPI = {
    "OMPI_MCA_plm_rsh_agent": REMOTE_SHELL,
    "OMPI_MCA_orte_default_hostfile": HOSTFILE,
    # Workers have no remote shell, by which they could start the daemons of others.
    "OMPI_MCA_plm_rsh_no_tree_spawn": "1",
}
_INTEL_MPI = {"I_MPI_HYDRA_BOOTSTRAP": "rsh", "I_MPI_HYDRA_BOOTSTRAP_EXEC": REMOTE_SHELL}
_OF = {
    OPEN_MPI: _OPEN_MPI,
    INTEL_MPI: {"I_MPI_HYDRA_BOOTSTRAP_EXEC": REMOTE_SHELL, "I_MPI_HYDRA_HOST_FILE": HOSTFILE},
    MPICH: {"HYDRA_LAUNCHER_EXEC": REMOTE_SHELL, "HYDRA_HOST_FILE": HOSTFILE},
}


def variables(job: Job) -> dict[str, str]:
    """By which mpirun finds hosts and remote shell. Kubeflow cannot know which MPI there is, and sets those of two."""
    return _OF[distribution(job)] if job.api_version == KUBEDL else {**_OPEN_MPI, **_INTEL_MPI}


def slots(job: Job) -> int:
    """Processes of one host."""
    given = job.options.get("slotsPerWorker")
    return 1 if given is None else int(given)


def distribution(job: Job) -> str:
    """In KubeDL's words; elsewhere Open MPI."""
    return str(job.options.get("mpiDistribution") or OPEN_MPI)


def host_files(hosts: Sequence[str], slots: int, distribution: str, discovered: str = "{}:{}") -> dict[str, str]:
    """What mpirun reads, and the script by which elastic programs (Horovod) ask for hosts. ``discovered``: how it tells
    of one and its slots."""
    form = "{} slots={}\n" if distribution == OPEN_MPI else "{}:{}\n"
    script = "".join(f"echo {discovered.format(host, slots)}\n" for host in hosts)
    listed = "".join(form.format(host, slots) for host in hosts)
    return {"hostfile": listed, "discover_hosts.sh": f"#!/bin/sh\n{script}"}


def config_map(job: Job, files: Mapping[str, str]) -> Extra:
    return Extra(CONFIGMAPS, {"metadata": {"name": f"{job.name}-config", "labels": {"app": job.name}}, "data": files})


def config_volume(job: Job, modes: Mapping[str, int]) -> dict[str, Any]:
    """Of the files in ``config_map`` those that have a mode here."""
    return templates.config_map_volume(CONFIG_VOLUME, f"{job.name}-config", modes)
