"""MPIJob v2beta1: pods that reach each other by SSH, and which objects are of this version."""

from base64 import b64decode
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_public_key

from kdl_workloads.dialects.registry import dialect_for
from kdl_workloads.engine.observed import Workload
from kdl_workloads.engine.pods import desired_pod
from kdl_workloads.framework import KUBEDL, KUBEFLOW, KUBEFLOW_V2BETA1, Extra, Phase, RoleState
from kdl_workloads.frameworks import mpi_ssh
from kdl_workloads.frameworks.mpi import MPI
from kdl_workloads.frameworks.pytorch import PyTorch
from kdl_workloads.job import CleanPodPolicy, FailureAction, Job, RestartPolicy

PLUGIN = MPI()
OF = Workload(PLUGIN, dialect_for(KUBEFLOW))
"""How jobs of both versions are read from the cluster."""


def template(**spec: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "main", "image": "mpi:1"}, {"name": "side", "image": "side:1"}], **spec}}


def roles(launcher: dict[str, Any] | None = None, **worker: Any) -> dict[str, Any]:
    return {
        "Launcher": {"template": template(), **(launcher or {})},
        "Worker": {"replicas": 2, "template": template(), **worker},
    }


def stored(spec: dict[str, Any]) -> dict[str, Any]:
    """As the API server keeps it: in v1, with the default that v2beta1 has."""
    metadata = {"name": "job", "namespace": "team", "uid": "01234567-89ab"}
    whole = {"sshAuthMountPath": "/root/.ssh", "mpiReplicaSpecs": roles(), **spec}
    return {"apiVersion": KUBEFLOW, "kind": "MPIJob", "metadata": metadata, "spec": whole}


def decoded(**spec: Any) -> Job:
    return OF.dialect.decode(stored(spec), PLUGIN)


def pod(job: Job, role: str, index: int = 0) -> dict[str, Any]:
    return desired_pod(OF, job, role, index)


def extras(job: Job) -> dict[str, Extra]:
    return {extra.resource.kind: extra for extra in PLUGIN.objects(job)}


def test_a_stored_job_is_of_the_version_that_it_was_written_in() -> None:
    assert decoded().api_version == KUBEFLOW_V2BETA1
    plain = stored({})
    del plain["spec"]["sshAuthMountPath"]
    assert OF.dialect.decode(plain, PLUGIN).api_version == KUBEFLOW
    assert OF.dialect.outline(stored({}), PLUGIN).api_version == KUBEFLOW_V2BETA1
    assert OF.dialect.outline(plain, PLUGIN).api_version == KUBEFLOW
    unsent = {**plain, "apiVersion": KUBEFLOW_V2BETA1}
    assert dialect_for(KUBEFLOW_V2BETA1).decode(unsent, PLUGIN).api_version == KUBEFLOW_V2BETA1


def test_versions_of_a_group_are_stored_as_one() -> None:
    assert PLUGIN.stored_versions() == [KUBEDL, KUBEFLOW]
    assert PLUGIN.versions("kubeflow.org") == [KUBEFLOW, KUBEFLOW_V2BETA1]
    assert PyTorch().versions("kubeflow.org") == [KUBEFLOW]
    assert PyTorch().versions("example.org") == []


def test_defaults() -> None:
    job = decoded()
    assert {name: spec.restart_policy for name, spec in job.roles.items()} == {
        "Worker": RestartPolicy.NEVER,
        "Launcher": RestartPolicy.ON_FAILURE,
    }
    assert job.run_policy.clean_pod_policy is CleanPodPolicy.NONE
    assert job.run_policy.backoff_limit == 6
    assert job.run_policy.failure_rules == ()
    assert PLUGIN.waits_for(job, "Launcher") == {}


def test_the_launcher_may_wait_until_all_workers_are_ready() -> None:
    job = decoded(launcherCreationPolicy="WaitForWorkersReady")
    assert PLUGIN.waits_for(job, "Launcher") == {"Worker": Phase.READY}
    alone = decoded(launcherCreationPolicy="WaitForWorkersReady", mpiReplicaSpecs={"launcher": roles()["Launcher"]})
    assert PLUGIN.waits_for(alone, "Launcher") == {}
    given = roles({"dependsOn": [{"upstream": "Worker", "onPhase": "Running"}]})
    own = decoded(launcherCreationPolicy="WaitForWorkersReady", mpiReplicaSpecs=given)
    assert PLUGIN.waits_for(own, "Launcher") == {"Worker": Phase.RUNNING}


def test_a_launcher_that_is_never_restarted_is_replaced() -> None:
    rule = {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [3]}}
    job = decoded(mpiReplicaSpecs=roles({"restartPolicy": "Never"}), runPolicy={"failureRules": [rule]})
    first, last = job.run_policy.failure_rules
    assert first.action is FailureAction.FAIL_JOB
    assert (last.action, last.counts, last.roles) == (FailureAction.RESTART, None, frozenset({"launcher"}))
    assert pod(job, "Launcher")["spec"]["restartPolicy"] == "Never"


@pytest.mark.parametrize(
    ("spec", "hosts"),
    [
        ({}, "job-worker-0.job.team.svc slots=1\njob-worker-1.job.team.svc slots=1\n"),
        (
            {"slotsPerWorker": 2, "mpiImplementation": "Intel"},
            "job-worker-0.job.team.svc:2\njob-worker-1.job.team.svc:2\n",
        ),
        ({"mpiImplementation": "MPICH"}, "job-worker-0.job.team.svc:1\njob-worker-1.job.team.svc:1\n"),
        (
            {"runLauncherAsWorker": True, "mpiReplicaSpecs": roles(replicas=1)},
            "job-launcher.job.team.svc slots=1\njob-worker-0.job.team.svc slots=1\n",
        ),
    ],
)
def test_host_files(spec: dict[str, Any], hosts: str) -> None:
    files = extras(decoded(**spec))["ConfigMap"].body["data"]
    assert files["hostfile"] == hosts
    names = [line.replace(":", " ").split()[0] for line in hosts.splitlines()]
    assert files["discover_hosts.sh"] == "#!/bin/sh\n" + "".join(f"echo {name}\n" for name in names)


def test_pods_have_names_in_the_service_of_the_job() -> None:
    job = decoded()
    service = extras(job)["Service"].body
    assert service["metadata"]["name"] == "job"
    assert service["spec"]["clusterIP"] == "None"
    for role, index, name in (("Launcher", 0, "job-launcher"), ("Worker", 1, "job-worker-1")):
        made = pod(job, role, index)
        assert made["metadata"]["name"] == made["spec"]["hostname"] == name
        assert made["spec"]["subdomain"] == "job"
        assert made["metadata"]["labels"]["training.kubeflow.org/job-role"] == role.lower()
        assert service["spec"]["selector"].items() <= made["metadata"]["labels"].items()
        assert made["metadata"]["ownerReferences"][0]["apiVersion"] == KUBEFLOW_V2BETA1
        assert "dnsPolicy" not in made["spec"]
    shared = decoded(mpiReplicaSpecs=roles(template=template(hostNetwork=True)))
    assert pod(shared, "Worker")["spec"]["dnsPolicy"] == "ClusterFirstWithHostNet"


def test_workers_find_the_launcher_by_its_bare_name() -> None:
    own = template(dnsConfig={"searches": ["example.org"]})
    job = decoded(mpiReplicaSpecs=roles(template=own))
    assert pod(job, "Worker")["spec"]["dnsConfig"]["searches"] == ["example.org", "job.team.svc.cluster.local"]
    elsewhere = MPI(cluster_domain="corp.example").pod_template(job, "Worker", 0)
    assert elsewhere["spec"]["dnsConfig"]["searches"][-1] == "job.team.svc.corp.example"


def test_a_worker_serves_unless_it_has_something_else_to_do() -> None:
    assert [container.get("command") for container in pod(decoded(), "Worker")["spec"]["containers"]] == [
        ["/usr/sbin/sshd", "-De"],
        None,
    ]
    busy = template()
    busy["spec"]["containers"][0]["args"] = ["serve"]
    assert "command" not in pod(decoded(mpiReplicaSpecs=roles(template=busy)), "Worker")["spec"]["containers"][0]


def test_a_launcher_is_told_which_command_it_has_by_its_template_alone() -> None:
    assert "command" not in pod(decoded(), "Launcher")["spec"]["containers"][0]


@pytest.mark.parametrize(("path", "mode"), [("/root/.ssh", 0o600), ("/home/mpi/.ssh", None)])
def test_all_pods_have_the_keys_where_the_user_wants_them(path: str, mode: int | None) -> None:
    job = decoded(sshAuthMountPath=path)
    for role in ("Launcher", "Worker"):
        spec = pod(job, role)["spec"]
        [secret] = [volume["secret"] for volume in spec["volumes"] if volume["name"] == "ssh-auth"]
        assert secret["secretName"] == extras(job)["Secret"].body["metadata"]["name"] == "job-ssh-01234567"
        assert {item["path"]: item["key"] for item in secret["items"]} == {
            "id_rsa": "ssh-privatekey",
            "id_rsa.pub": "ssh-publickey",
            "authorized_keys": "ssh-publickey",
        }
        assert secret.get("defaultMode") == mode
        first, second = spec["containers"]
        assert {"name": "ssh-auth", "mountPath": path} in first["volumeMounts"]
        assert "volumeMounts" not in second, "containers beside the program have no use for the keys"


def test_a_launcher_reads_its_files_where_mpirun_looks_for_them() -> None:
    spec = pod(decoded(), "Launcher")["spec"]
    [config] = [volume["configMap"] for volume in spec["volumes"] if volume["name"] == "mpi-job-config"]
    assert config["name"] == "job-config"
    assert {"name": "mpi-job-config", "mountPath": "/etc/mpi"} in spec["containers"][0]["volumeMounts"]
    assert "initContainers" not in spec, "there is no agent"
    assert "serviceAccountName" not in spec


def test_keys_fit_together_and_are_new_each_time() -> None:
    data = mpi_ssh.new_keys()["data"]
    private = load_pem_private_key(b64decode(data["ssh-privatekey"]), None)
    public = b64decode(data["ssh-publickey"])
    assert b64decode(data["ssh-privatekey"]).startswith(b"-----BEGIN EC PRIVATE KEY-----")
    assert public.startswith(b"ecdsa-sha2-nistp521 ") and public.endswith(b"\n")
    assert load_ssh_public_key(public) == private.public_key()
    assert mpi_ssh.new_keys() != mpi_ssh.new_keys()


def test_the_job_runs_when_all_its_pods_do() -> None:
    job = decoded()
    states = {"Worker": RoleState(replicas=2, active=1), "Launcher": RoleState(replicas=1, active=1)}
    assert PLUGIN.evaluate(job, states).type is None
    states["Worker"] = RoleState(replicas=2, active=2)
    assert PLUGIN.evaluate(job, states).type == "Running"


def test_texts_are_those_of_the_mpi_operator() -> None:
    texts, job = OF.dialect.texts_for(PLUGIN.conventions[KUBEFLOW_V2BETA1]), decoded()
    assert texts.running(job).message == "MPIJob team/job is running."
    assert texts.succeeded(job).message == "MPIJob team/job successfully completed."
    assert texts.succeeded(job).reason == "MPIJobSucceeded"
