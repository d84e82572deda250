"""``training.kubedl.io/v1alpha1``: the run policy's fields are inline in ``spec``."""

from typing import Any, Literal

from pydantic import Field

from kdl_workloads.api.base import (
    ApiModel,
    Count,
    Count64,
    Int32,
    ObjectMeta,
    Percentage,
    PodTemplateSpec,
    Quantity,
    Time,
)
from kdl_workloads.api.failure import FailurePolicy
from kdl_workloads.api.replica import Overlay, ReplicaLife
from kdl_workloads.api.status import KubeDLJobStatus


class SpotReplicaSpec(ApiModel):
    spot_replica_number: Count = 0
    """How many replicas, those with the highest indexes, run on spot capacity."""
    priority_class_name: str = ""
    """Priority class of their pods."""
    labels: dict[str, str] | None = None
    """Labels added to their pods."""


class ReplicaSpec(ReplicaLife):
    replicas: Count | None = None
    """Number of replicas; 1 if not given."""
    template: PodTemplateSpec
    """Pod of one replica."""
    restart_policy: Literal["", "Always", "OnFailure", "Never", "ExitCode"] | None = None
    """ExitCode replaces the pod after exit codes 130, 137, 138 and 143 and fails the job after others."""
    spot_replica_spec: SpotReplicaSpec | None = None
    """Replicas on spot capacity."""


class SchedulingPolicy(ApiModel):
    min_available: Count | None = None
    """Pods that must fit before any of them starts; all of them if not given."""
    priority: Int32 | None = None
    """Priority of the job in its queue."""
    priority_class_name: str = ""
    """Priority class that gives the priority, where priority is not given."""
    queue: str = ""
    """Queue; the namespace's if not given."""


class CronPolicy(ApiModel):
    schedule: str
    """Cron expression."""
    concurrency_policy: Literal["", "Allow", "Forbid", "Replace"] | None = None
    """What happens when the last run is not over yet."""
    suspend: bool | None = None
    """Start no further runs."""
    deadline: Time | None = None
    """Time after which no run starts."""
    history_limit: Count | None = None
    """Finished runs that are kept."""


class RunPolicy(FailurePolicy):
    clean_pod_policy: Literal["", "All", "Running", "None"] | None = None
    """Pods that are deleted when the job ends."""
    ttl_seconds_after_finished: Count | None = None
    """Delete the job that long after its end; kept if not given."""
    active_deadline_seconds: Count64 | None = None
    """Fail the job that long after its start."""
    backoff_limit: Count | None = None
    """Failures after which the job fails."""
    suspend: bool | None = None
    """Delete the pods and wait until this is false again."""
    scheduling_policy: SchedulingPolicy | None = None
    """How the job is queued and its pods are scheduled together."""
    cron_policy: CronPolicy | None = None
    """Run the job again and again."""


class DataSource(ApiModel):
    location: str = ""
    sub_dir_name: str = ""


class Dataset(ApiModel):
    data_sources: list[DataSource] | None = None


class TieredStorage(ApiModel):
    cache_path: str = ""
    quota: Quantity | None = None
    medium_type: str = ""


class AlluxioRuntime(ApiModel):
    replicas: Count | None = None
    tiered_storage: list[TieredStorage] | None = None


class Fluid(ApiModel):
    alluxio_runtime: AlluxioRuntime | None = None


class CacheEngine(ApiModel):
    fluid: Fluid | None = None


class CacheOptions(ApiModel):
    idle_time: Count64 | None = None


class CacheBackend(ApiModel):
    name: str = ""
    """CacheBackend to use, or to create from the fields below."""
    mount_path: str = ""
    """Where the data appears in every container."""
    dataset: Dataset | None = None
    """What is cached."""
    cache_engine: CacheEngine | None = None
    """How it is cached."""
    options: CacheOptions | None = None


class Nfs(ApiModel):
    server: str = ""
    path: str = ""
    mount_path: str = ""


class LocalStorage(ApiModel):
    path: str = ""
    mount_path: str = ""
    node_name: str = ""


class AwsEfs(ApiModel):
    volume_handle: str = ""
    attributes: dict[str, str] | None = None


class ModelStorage(ApiModel):
    nfs: Nfs | None = None
    local_storage: LocalStorage | None = None
    aws_efs: AwsEfs | None = Field(default=None, alias="AWSEfs")


class ModelVersion(ApiModel):
    model_name: str = ""
    """Model that the version belongs to."""
    created_by: str = ""
    """Set by the operator: the job."""
    image_repo: str = ""
    """Repository that the model's image is pushed to."""
    image_tag: str = ""
    """Tag of that image."""
    storage: ModelStorage | None = None
    """Where the job leaves its output."""


class JobSpec(RunPolicy):
    run_policy: RunPolicy | None = None
    """The same limits in a field of their own, which then win over the inline ones."""


class Job(ApiModel):
    """An object of the group; the kinds are its subclasses."""

    api_version: str = "training.kubedl.io/v1alpha1"
    kind: str
    metadata: ObjectMeta = ObjectMeta()
    status: KubeDLJobStatus | None = None
    """How far the job is. Written by the operator."""


class XGBoostJobSpec(JobSpec):
    xgb_replica_specs: dict[str, ReplicaSpec]
    """Replica types Master (one replica) and Worker."""
    legacy_run_policy: RunPolicy | None = Field(default=None, alias="RunPolicy")
    """Name under which KubeDL's Go client writes runPolicy."""


class XGBoostJob(Job):
    """A distributed XGBoost or LightGBM training."""

    kind: Literal["XGBoostJob"] = "XGBoostJob"
    spec: XGBoostJobSpec
    """What to run, and for how long."""


_NULLABLE: dict[str, Any] = {"nullable": True}


class PyTorchJobSpec(JobSpec):
    pytorch_replica_specs: dict[str, ReplicaSpec]
    """Replica types Master (one replica) and Worker. Without a Master the first Worker takes its part."""
    model_version: ModelVersion | None = None
    """Keep the output as a version of a model."""
    cache_backend: CacheBackend | None = Field(default=None, json_schema_extra=_NULLABLE)
    """Cache of a data set. Null, as KubeDL's Go client writes it, is none."""


class PyTorchJob(Job):
    """A distributed PyTorch training."""

    kind: Literal["PyTorchJob"] = "PyTorchJob"
    spec: PyTorchJobSpec
    """What to run, and for how long."""


class TFJobSpec(JobSpec):
    tf_replica_specs: dict[str, ReplicaSpec]
    """Replica types Chief (or Master, its older name), PS, Worker, Evaluator and AIMaster."""
    success_policy: Literal["", "AllWorkers"] | None = None
    """AllWorkers: every Worker has to succeed. Otherwise the Chief has to, or without one the first Worker."""
    model_version: ModelVersion | None = None
    """Keep the output as a version of a model."""
    cache_backend: CacheBackend | None = Field(default=None, json_schema_extra=_NULLABLE)
    """Cache of a data set. Null, as KubeDL's Go client writes it, is none."""


class TFJob(Job):
    """A distributed TensorFlow training."""

    kind: Literal["TFJob"] = "TFJob"
    spec: TFJobSpec
    """What to run, and for how long."""


class XDLJobSpec(JobSpec):
    xdl_replica_specs: dict[str, ReplicaSpec]
    """Replica types PS, Scheduler, Worker and ExtendRole."""
    min_finish_work_num: Count | None = None
    """Workers, ExtendRoles included, that have to succeed; minFinishWorkRate wins over it."""
    min_finish_work_rate: Percentage | None = None
    """The same in percent of all; 90 if neither is given."""


class XDLJob(Job):
    """A distributed XDL training."""

    kind: Literal["XDLJob"] = "XDLJob"
    spec: XDLJobSpec
    """What to run, and for how long."""


class MemoryTuningPolicy(ApiModel):
    plasma_store: str | None = None
    """Directory of the store that the processes of a worker share; /dev/shm if not given."""
    lock_free_file_io: bool | None = Field(default=None, alias="lockFreeFileIO")
    """Whether nobody else uses the directories of spillDirs; true if not given."""
    spill_dirs: list[str] | None = None
    """Directories for what does not fit into memory; each is an emptyDir of its own."""
    worker_cache_percentage: Count | None = None
    """Part of a worker's memory that is a cache, 100 at most; workerCacheSize wins over it."""
    worker_cache_size: Quantity | None = None
    """Size of a worker's cache; none is set up if neither is given."""


class MarsJobSpec(JobSpec):
    mars_replica_specs: dict[str, ReplicaSpec]
    """Replica types Scheduler, WebService and Worker."""
    web_host: str | None = None
    """Host of an Ingress to each WebService; none is made if not given."""
    worker_memory_tuning_policy: MemoryTuningPolicy | None = None
    """How workers use their memory."""
    memory_tuning_policy: MemoryTuningPolicy | None = None
    """Name of workerMemoryTuningPolicy in KubeDL's own documentation; it fills the gaps of the former."""


class MarsJobStatus(KubeDLJobStatus):
    web_service_addresses: list[str] = Field(default_factory=list)
    """Where the Ingresses lead to the WebServices."""


class MarsJob(Job):
    """A Mars cluster: data frames and tensors on many workers."""

    kind: Literal["MarsJob"] = "MarsJob"
    spec: MarsJobSpec
    """What to run, and for how long."""
    status: MarsJobStatus | None = None
    """How far the job is. Written by the operator."""


class ElasticDLJobSpec(JobSpec):
    elasticdl_replica_specs: dict[str, ReplicaSpec]
    """Replica type Master, which makes its workers itself."""


class ElasticDLJob(Job):
    """An ElasticDL training."""

    kind: Literal["ElasticDLJob"] = "ElasticDLJob"
    spec: ElasticDLJobSpec
    """What to run, and for how long."""


class MPIJobSpec(JobSpec):
    mpi_replica_specs: dict[str, ReplicaSpec] = Field(json_schema_extra={"minProperties": 0})
    """Replica types Launcher (one replica) and Worker; empty where the older fields below say all."""
    slots_per_worker: Count | None = None
    """Processes of a worker; 1 if not given."""
    main_container: str = ""
    """Container of the workers in which processes are started; their first if not given."""
    mpi_distribution: Literal["", "OpenMPI", "IntelMPI", "MPICH"] | None = None
    """Which MPI the image has; OpenMPI if not given."""
    gpus: Count | None = None
    """Deprecated: processes of all workers; use slotsPerWorker and mpiReplicaSpecs."""
    gpus_per_node: Count | None = None
    """Deprecated: processes of a worker."""
    processing_units: Count | None = None
    """Deprecated: processes of all workers."""
    processing_units_per_node: Count | None = None
    """Deprecated: processes of a worker."""
    processing_resource_type: str = ""
    """Deprecated: resource whose limit is the number of processes of a worker."""
    replicas: Count | None = None
    """Deprecated: number of workers; use mpiReplicaSpecs."""
    launcher_on_master: bool | None = None
    """Deprecated, and never had an effect."""
    template: Overlay | None = None
    """Deprecated: pod of launcher and workers where mpiReplicaSpecs does not have them."""


class MPIJob(Job):
    """A distributed MPI program."""

    kind: Literal["MPIJob"] = "MPIJob"
    spec: MPIJobSpec
    """What to run, and for how long."""
