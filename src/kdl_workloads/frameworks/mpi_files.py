"""What mpirun reads: the hosts, and where they and the remote shell are. Each MPI has its own words for it."""

from collections.abc import Sequence

from kdl_workloads.framework import KUBEDL
from kdl_workloads.job import Job

CONFIG_DIRECTORY = "/etc/mpi"
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
    return _OF[_distribution(job)] if job.api_version == KUBEDL else {**_OPEN_MPI, **_INTEL_MPI}


def slots(job: Job) -> int:
    """Processes of one host."""
    given = job.options.get("slotsPerWorker")
    return 1 if given is None else int(given)


def hostfile(job: Job, hosts: Sequence[str]) -> str:
    form = "{} slots={}\n" if _distribution(job) == OPEN_MPI else "{}:{}\n"
    return "".join(form.format(host, slots(job)) for host in hosts)


def discover_hosts(job: Job, hosts: Sequence[str]) -> str:
    """The script by which elastic programs (Horovod) ask for hosts."""
    return "#!/bin/sh\n" + "".join(f"echo {host}:{slots(job)}\n" for host in hosts)


def _distribution(job: Job) -> str:
    return str(job.options.get("mpiDistribution") or OPEN_MPI)
