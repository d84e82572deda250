"""``kubeflow.org``: the run policy is in ``spec.runPolicy``."""

from typing import Literal

from pydantic import ConfigDict, Field

from kdl_workloads.api.base import (
    ApiModel,
    Count,
    Count64,
    Int32,
    MetricSpec,
    ObjectMeta,
    PodTemplateSpec,
    Port,
    Quantity,
    rule,
    rules,
)
from kdl_workloads.api.failure import FailurePolicy
from kdl_workloads.api.replica import ReplicaLife
from kdl_workloads.api.status import JobStatus


class ReplicaSpec(ReplicaLife):
    replicas: Count | None = None
    """Number of replicas; 1 if not given."""
    template: PodTemplateSpec
    """Pod of one replica."""
    restart_policy: Literal["", "Always", "OnFailure", "Never", "ExitCode"] | None = None
    """ExitCode replaces the pod after exit codes of 128 and more and fails the job after others."""


class SchedulingPolicy(ApiModel):
    min_available: Count | None = None
    """Pods that must fit before any of them starts; all of them if not given."""
    queue: str | None = Field(
        default=None,
        max_length=253,
        json_schema_extra=rules(rule("self == oldSelf", "spec.runPolicy.schedulingPolicy.queue is immutable")),
    )
    """Queue of the gang scheduler."""
    min_resources: dict[str, Quantity] | None = None
    """Resources that must be free before any pod starts; computed from the pods if not given."""
    priority_class: str = ""
    """Priority class of the pod group."""
    schedule_timeout_seconds: Int32 | None = None
    """How long the gang scheduler waits for the pods to fit."""


class RunLimits(FailurePolicy):
    clean_pod_policy: Literal["", "All", "Running", "None"] | None = None
    """Pods that are deleted when the job ends; None if not given."""
    ttl_seconds_after_finished: Count | None = None
    """Delete the job that long after its end; kept if not given."""
    active_deadline_seconds: Count64 | None = None
    """Fail the job that long after its start."""
    backoff_limit: Count | None = None
    """Failures after which the job fails."""
    scheduling_policy: SchedulingPolicy | None = None
    """How the job's pods are scheduled together."""
    suspend: bool | None = None
    """Delete the pods and wait until this is false again."""


class RunPolicy(RunLimits):
    managed_by: Literal["", "kubeflow.org/training-operator", "kueue.x-k8s.io/multikueue"] | None = None
    """Controller that runs the job; this operator does nothing for another one's. Immutable."""


_MANAGED_BY = "(has({0}.runPolicy) && has({0}.runPolicy.managedBy) ? {0}.runPolicy.managedBy : '')"
IMMUTABLE_MANAGED_BY = rule(
    f"{_MANAGED_BY.format('self')} == {_MANAGED_BY.format('oldSelf')}", "spec.runPolicy.managedBy is immutable"
)


class JobSpec(ApiModel):
    model_config = ConfigDict(json_schema_extra=rules(IMMUTABLE_MANAGED_BY))

    run_policy: RunPolicy | None = None
    """Limits and clean-up of the job."""


class Job(ApiModel):
    """An object of the group; the kinds are its subclasses."""

    api_version: str = "kubeflow.org/v1"
    kind: str
    metadata: ObjectMeta = ObjectMeta()
    status: JobStatus | None = None
    """How far the job is. Written by the operator."""


class XGBoostJobSpec(JobSpec):
    xgb_replica_specs: dict[str, ReplicaSpec]
    """Replica types Master (one replica) and Worker."""


class XGBoostJob(Job):
    """A distributed XGBoost or LightGBM training."""

    kind: Literal["XGBoostJob"] = "XGBoostJob"
    spec: XGBoostJobSpec
    """What to run, and for how long."""


class JAXJobSpec(JobSpec):
    jax_replica_specs: dict[str, ReplicaSpec]
    """Replica type Worker. The first Worker holds the coordinator."""


class JAXJob(Job):
    """A distributed JAX program."""

    kind: Literal["JAXJob"] = "JAXJob"
    spec: JAXJobSpec
    """What to run, and for how long."""


class RdzvConf(ApiModel):
    key: str = ""
    value: str = ""


ELASTIC_BOUNDS = rule(
    "!has(self.minReplicas) || !has(self.maxReplicas) || self.minReplicas <= self.maxReplicas",
    "spec.elasticPolicy.minReplicas must not be above spec.elasticPolicy.maxReplicas",
)


class ElasticPolicy(ApiModel):
    model_config = ConfigDict(json_schema_extra=rules(ELASTIC_BOUNDS))

    min_replicas: Count | None = None
    """Workers with which the training goes on; maxReplicas if not given."""
    max_replicas: Count | None = None
    """Workers up to which the job is scaled; minReplicas if not given."""
    rdzv_backend: Literal["c10d", "etcd", "etcd-v2"] | None = None
    """How workers find each other; c10d if not given."""
    rdzv_port: Port | None = None
    """Port of the rendezvous; the container's pytorchjob-port if not given."""
    rdzv_host: str | None = None
    """Host of the rendezvous; the first worker if not given."""
    rdzv_id: str | None = None
    """Identity of the rendezvous; the job's name if not given."""
    rdzv_conf: list[RdzvConf] | None = None
    """Further settings of the rendezvous."""
    standalone: bool | None = None
    """One node, with a rendezvous of its own."""
    n_proc_per_node: Count | None = None
    """Deprecated: use spec.nprocPerNode."""
    max_restarts: Count | None = None
    """Restarts of a worker group before it fails."""
    metrics: list[MetricSpec] | None = None
    """Metrics by which a HorizontalPodAutoscaler scales the workers; none is made if not given."""


class PyTorchJobSpec(JobSpec):
    model_config = ConfigDict(
        json_schema_extra=rules(
            IMMUTABLE_MANAGED_BY,
            rule(
                "!has(self.elasticPolicy) || self.pytorchReplicaSpecs.exists(r, r.matches('(?i)^worker$'))",
                "spec.elasticPolicy needs spec.pytorchReplicaSpecs.Worker",
            ),
            rule(
                "!has(self.nprocPerNode) || !has(self.elasticPolicy) || !has(self.elasticPolicy.nProcPerNode)",
                "spec.elasticPolicy.nProcPerNode is deprecated and excludes spec.nprocPerNode: keep the latter",
            ),
        )
    )

    pytorch_replica_specs: dict[str, ReplicaSpec]
    """Replica types Master (one replica) and Worker. Without a Master the first Worker takes its part."""
    nproc_per_node: str | None = None
    """Processes that torchrun starts per pod: auto, cpu, gpu or a number; auto if not given."""
    elastic_policy: ElasticPolicy | None = None
    """Let the number of workers change while the job runs."""


class PyTorchJob(Job):
    """A distributed PyTorch training."""

    kind: Literal["PyTorchJob"] = "PyTorchJob"
    spec: PyTorchJobSpec
    """What to run, and for how long."""


class TFJobSpec(JobSpec):
    model_config = ConfigDict(
        json_schema_extra=rules(
            IMMUTABLE_MANAGED_BY,
            rule(
                "self.tfReplicaSpecs.filter(r, r.matches('(?i)^(chief|master)$')).size() <= 1",
                "spec.tfReplicaSpecs has both Chief and Master, which are the same: keep one",
            ),
        )
    )

    tf_replica_specs: dict[str, ReplicaSpec]
    """Replica types Chief (or Master, its older name), PS, Worker and Evaluator."""
    success_policy: Literal["", "AllWorkers"] | None = None
    """Without a Chief. AllWorkers: every Worker has to succeed; otherwise the first one has to."""
    enable_dynamic_worker: bool | None = None
    """Let the number of Workers change while the job runs, and none of their failures fail it."""


class TFJob(Job):
    """A distributed TensorFlow training."""

    kind: Literal["TFJob"] = "TFJob"
    spec: TFJobSpec
    """What to run, and for how long."""


class PaddleElasticPolicy(ApiModel):
    model_config = ConfigDict(json_schema_extra=rules(ELASTIC_BOUNDS))

    min_replicas: Count | None = None
    """Workers with which the training goes on; maxReplicas if not given."""
    max_replicas: Count | None = None
    """Workers up to which the job is scaled; minReplicas if not given."""
    max_restarts: Count | None = None
    """Restarts of a worker's processes before it fails."""
    metrics: list[MetricSpec] | None = None
    """Metrics by which a HorizontalPodAutoscaler scales the workers; none is made if not given."""


class PaddleJobSpec(JobSpec):
    paddle_replica_specs: dict[str, ReplicaSpec]
    """Replica types Master (a parameter server) and Worker. Without a Master all Workers train as equals."""
    elastic_policy: PaddleElasticPolicy | None = None
    """Let the number of workers change while the job runs."""


class PaddleJob(Job):
    """A distributed PaddlePaddle training."""

    kind: Literal["PaddleJob"] = "PaddleJob"
    spec: PaddleJobSpec
    """What to run, and for how long."""


class MXJobSpec(JobSpec):
    mx_replica_specs: dict[str, ReplicaSpec]
    """Replica types Scheduler, Server and Worker, or TunerTracker, TunerServer and Tuner."""
    job_mode: Literal["", "MXTrain", "MXTune"] | None = None
    """MXTrain to train a model, MXTune to tune kernels with TVM. The replica types decide; this is for readers."""


class MXJob(Job):
    """A distributed MXNet or BytePS training, or a TVM auto-tuning."""

    kind: Literal["MXJob"] = "MXJob"
    spec: MXJobSpec
    """What to run, and for how long."""


class MPIRunPolicy(RunLimits):
    managed_by: (
        Literal["", "kubeflow.org/mpi-operator", "kubeflow.org/training-operator", "kueue.x-k8s.io/multikueue"] | None
    ) = None
    """Controller that runs the job; this operator does nothing for another one's. Immutable."""


class MPIJobSpec(ApiModel):
    """Of both versions: a field that one of them lacks would be lost from the stored object when it is read in that."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            IMMUTABLE_MANAGED_BY,
            rule(
                "has(self.sshAuthMountPath) || !(has(self.launcherCreationPolicy) || has(self.mpiImplementation) || "
                "has(self.runLauncherAsWorker))",
                "spec.launcherCreationPolicy, spec.mpiImplementation and spec.runLauncherAsWorker are of v2beta1",
            ),
        )
    )

    run_policy: MPIRunPolicy | None = None
    """Limits and clean-up of the job."""
    mpi_replica_specs: dict[str, ReplicaSpec]
    """Replica types Launcher (one replica) and Worker."""
    slots_per_worker: Count | None = None
    """Processes of a worker; 1 if not given."""
    clean_pod_policy: Literal["", "All", "Running", "None"] | None = None
    """Deprecated: use runPolicy.cleanPodPolicy, which wins over it."""
    main_container: str = ""
    """Of v1: container of the workers in which processes are started; their first if not given."""
    ssh_auth_mount_path: str | None = None
    """Of v2beta1: directory of the SSH keys in all pods; /root/.ssh if not given."""
    launcher_creation_policy: Literal["", "AtStartup", "WaitForWorkersReady"] | None = None
    """Of v2beta1: when the Launcher is created; AtStartup if not given."""
    mpi_implementation: Literal["", "OpenMPI", "Intel", "MPICH"] | None = None
    """Of v2beta1: whose variables and host file the Launcher gets; OpenMPI if not given."""
    run_launcher_as_worker: bool | None = None
    """Of v2beta1: let the Launcher take part in the work."""


class MPIJob(Job):
    """A distributed MPI program whose processes are started through the API server (v1) or by SSH (v2beta1)."""

    kind: Literal["MPIJob"] = "MPIJob"
    spec: MPIJobSpec
    """What to run, and for how long."""
