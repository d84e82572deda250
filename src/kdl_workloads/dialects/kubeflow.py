"""``kubeflow.org``: run policy under ``spec.runPolicy``, prefixed labels, reasons that begin with the kind."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kdl_runtime.types import parse_api_version
from kdl_workloads.dialects import metadata
from kdl_workloads.dialects.base import Dialect, Named, Text, Texts, WordedTexts, why_restarting
from kdl_workloads.dialects.roles import check_names, decode_roles
from kdl_workloads.dialects.status import decode_status, encode_status
from kdl_workloads.framework import KUBEFLOW, MASTER, Conventions, Framework
from kdl_workloads.job import ConditionType, Job, JobStatus, RestartPolicy, SchedulingPolicy

GROUP, _ = parse_api_version(KUBEFLOW)

PREFIX = "training.kubeflow.org/"
JOB_NAME = PREFIX + "job-name"
OPERATOR_NAME = PREFIX + "operator-name"
REPLICA_TYPE = PREFIX + "replica-type"
REPLICA_INDEX = PREFIX + "replica-index"
JOB_ROLE = PREFIX + "job-role"

OWN_MANAGERS = frozenset({"", "kubeflow.org/training-operator", "kubeflow.org/mpi-operator"})
FIRST_RETRYABLE_EXIT_CODE = 128


class KubeflowTexts(WordedTexts):
    def created(self, job: Named) -> Text:
        return Text(f"{job.kind}Created", f"{job.kind} {job.name} is created.")

    def running(self, job: Job) -> Text:
        usual = Text(f"{job.kind}Running", f"{job.kind} {_display_name(job)} is running.")
        return self._say(ConditionType.RUNNING, usual, job)

    def succeeded(self, job: Job) -> Text:
        verb = "is successfully completed" if MASTER in job.roles else "successfully completed"
        usual = Text(f"{job.kind}Succeeded", f"{job.kind} {_display_name(job)} {verb}.")
        return self._say(ConditionType.SUCCEEDED, usual, job)

    def failed(self, job: Job, role: str, count: int) -> Text:
        """A permanent exit code has a text of its own."""
        spec = job.roles.get(role)
        if spec is not None and spec.restart_policy is RestartPolicy.EXIT_CODE:
            return Text(f"{job.kind}Failed", f'job "{job.name}" is failing because "{role}" replica(s) failed.')
        message = f"{job.kind} {job.name} is failed because {count} {role} replica(s) failed."
        return self._say(ConditionType.FAILED, Text(f"{job.kind}Failed", message), job, role, count)

    def restarting(self, job: Named, role: str, count: int) -> Text:
        message = f"{job.kind} {job.name} is restarting because {why_restarting(role, count)}."
        return self._say(ConditionType.RESTARTING, Text(f"{job.kind}Restarting", message), job, role, count)

    def backoff_limit(self, job: Named) -> Text:
        message = f"Job {job.name} has failed because it has reached the specified backoff limit"
        return Text(f"{job.kind}Failed", message)

    def deadline(self, job: Named) -> Text:
        message = f"Job {job.name} has failed because it was active longer than specified deadline"
        return Text(f"{job.kind}Failed", message)

    def suspended(self, job: Named) -> Text:
        return Text(f"{job.kind}Suspended", f"{job.kind} {job.name} is suspended.")

    def resumed(self, job: Named) -> Text:
        return Text(f"{job.kind}Resumed", f"{job.kind} {job.name} is resumed.")

    def enqueued(self, job: Named) -> Text:
        return Text(f"{job.kind}Enqueued", f"{job.kind} {job.name} is queuing.")

    def dequeued(self, job: Named) -> Text:
        return Text(f"{job.kind}Dequeued", f"{job.kind} {job.name} is dequeued.")

    def invalid(self, job: Named, problem: str) -> Text:
        return Text(f"{job.kind}FailedValidation", f"{job.kind} {job.name} failed validation because {problem}")


def _display_name(job: Job) -> str:
    """The running and succeeded texts of a job without a master name its namespace too."""
    return job.name if MASTER in job.roles else f"{job.namespace}/{job.name}"


class Kubeflow(Dialect):
    """``api_version``: of the objects. One that is stored in it may have been written in another of the same kind."""

    group = GROUP
    texts = KubeflowTexts()

    def __init__(self, api_version: str = KUBEFLOW) -> None:
        _, self.version = parse_api_version(api_version)
        self.name = "kubeflow" if api_version == KUBEFLOW else f"kubeflow-{self.version}"

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}"

    def texts_for(self, conventions: Conventions) -> Texts:
        return KubeflowTexts(conventions.wording) if conventions.wording else self.texts

    def decode(self, obj: Mapping[str, Any], framework: Framework) -> Job:
        written = obj.get("spec") or {}
        version = framework.written_version(self.api_version, written)
        spec = framework.current_spec(version, written)
        conventions = framework.conventions[version]
        roles = decode_roles(spec, framework, version)
        values = metadata.mapping(spec, "runPolicy", "spec")
        scheduling = _scheduling(metadata.mapping(values, "schedulingPolicy", "spec.runPolicy"))
        policy = metadata.run_policy(values, "spec.runPolicy", conventions, scheduling)
        options = {
            name: value for name, value in spec.items() if name not in ("runPolicy", framework.replica_specs_field)
        }
        job = replace(metadata.outline(obj, policy), api_version=version, roles=roles, options=options)
        check_names(job, framework)
        return job

    def outline(self, obj: Mapping[str, Any], framework: Framework | None = None) -> Job:
        spec = metadata.readable(obj.get("spec"))
        values = metadata.readable(spec.get("runPolicy"))
        if framework is None:
            return metadata.outline(obj, metadata.outlined_run_policy(values, None))
        version = framework.written_version(self.api_version, spec)
        policy = metadata.outlined_run_policy(values, framework.conventions[version])
        return replace(metadata.outline(obj, policy), api_version=version)

    def decode_status(self, status: Mapping[str, Any]) -> JobStatus:
        return decode_status(status)

    def encode_status(self, job: Job, status: JobStatus) -> dict[str, Any]:
        """Each role carries the selector of its pods, which the scale subresource hands to autoscalers."""
        replicas = {
            role: replace(replica, selector=self._role_selector(job, role)) for role, replica in status.replicas.items()
        }
        return encode_status(replace(status, replicas=replicas))

    def _role_selector(self, job: Job, role: str) -> str:
        labels = {**self.job_labels(job), REPLICA_TYPE: role.lower()}
        return ",".join(f"{name}={value}" for name, value in sorted(labels.items()))

    def labels(self, job: Job, role: str, index: int, *, master: bool) -> dict[str, str]:
        labels = {**self.job_labels(job), REPLICA_TYPE: role.lower(), REPLICA_INDEX: str(index)}
        return {**labels, JOB_ROLE: "master"} if master else labels

    def job_labels(self, job: Named) -> dict[str, str]:
        return {OPERATOR_NAME: f"{job.kind.lower()}-controller", JOB_NAME: job.name}

    def job_selector(self) -> str:
        return JOB_NAME

    def reason(self, kind: str, type_: ConditionType) -> str:
        return f"{kind}{type_}"

    def retryable(self, exit_code: int) -> bool:
        return exit_code >= FIRST_RETRYABLE_EXIT_CODE

    def retryable_reason(self, reason: str) -> bool:
        return False

    def manages(self, job: Job) -> bool:
        return job.run_policy.managed_by in OWN_MANAGERS


def _scheduling(values: Mapping[str, Any]) -> SchedulingPolicy:
    return SchedulingPolicy(
        min_available=values.get("minAvailable"),
        queue=values.get("queue") or "",
        priority_class=values.get("priorityClass") or "",
        min_resources={name: str(value) for name, value in (values.get("minResources") or {}).items()},
        schedule_timeout_seconds=values.get("scheduleTimeoutSeconds"),
    )
