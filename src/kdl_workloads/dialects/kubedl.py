"""``training.kubedl.io/v1alpha1``: run policy inline in ``spec``, bare labels, reasons without the kind."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kdl_runtime.types import parse_api_version
from kdl_workloads.dialects import failure, metadata
from kdl_workloads.dialects.base import Dialect, Named, Text, Texts, WordedTexts, why_restarting
from kdl_workloads.dialects.roles import check_names, decode_roles
from kdl_workloads.dialects.status import decode_status, encode_status
from kdl_workloads.framework import KUBEDL, Conventions, Framework
from kdl_workloads.job import CleanPodPolicy, ConditionType, Job, JobStatus, RestartScope, SchedulingPolicy

GROUP, VERSION = parse_api_version(KUBEDL)

RETRYABLE_EXIT_CODES = frozenset({130, 137, 138, 143})
RETRYABLE_REASONS = frozenset({"OOMKilled", "Killed", "Evicted", "UnexpectedAdmissionError"})

RUN_POLICY_FIELDS = frozenset(
    {
        "cleanPodPolicy",
        "ttlSecondsAfterFinished",
        "activeDeadlineSeconds",
        "backoffLimit",
        "schedulingPolicy",
        "cronPolicy",
        "suspend",
        *failure.FIELDS,
    }
)
NESTED_RUN_POLICIES = ("runPolicy", "RunPolicy")
"""Where else a run policy is looked for: the place that Kubeflow's users know, and the name under which KubeDL's own Go
client writes the one of an XGBoostJob."""


class KubeDLTexts(WordedTexts):
    def created(self, job: Named) -> Text:
        return Text("JobCreated", f"Job {job.kind}/{job.name} is created.")

    def running(self, job: Job) -> Text:
        return self._say(ConditionType.RUNNING, Text("JobRunning", f"{job.kind} {job.name} is running."), job)

    def succeeded(self, job: Job) -> Text:
        usual = Text("JobSucceeded", f"{job.kind} {job.name} is successfully completed.")
        return self._say(ConditionType.SUCCEEDED, usual, job)

    def failed(self, job: Job, role: str, count: int) -> Text:
        usual = Text("JobFailed", f"{job.kind} {job.name} is failed because {count} {role} replica(s) failed.")
        return self._say(ConditionType.FAILED, usual, job, role, count)

    def restarting(self, job: Named, role: str, count: int) -> Text:
        message = f"{job.kind} {job.name} is restarting because {why_restarting(role, count)}."
        return self._say(ConditionType.RESTARTING, Text("JobRestarting", message), job, role, count)

    def backoff_limit(self, job: Named) -> Text:
        return Text("JobFailed", f"Job {job.name} has failed because it has reached the specified backoff limit")

    def deadline(self, job: Named) -> Text:
        return Text("JobFailed", f"Job {job.name} has failed because it was active longer than specified deadline")

    def suspended(self, job: Named) -> Text:
        return Text("JobSuspended", f"{job.kind} {job.name} is suspended.")

    def resumed(self, job: Named) -> Text:
        return Text("JobResumed", f"{job.kind} {job.name} is resumed.")

    def enqueued(self, job: Named) -> Text:
        name = f"{job.kind}/{job.namespace}/{job.name}"
        return Text("JobEnqueued", f"Job {name} is queuing and waiting for being scheduled.")

    def dequeued(self, job: Named) -> Text:
        name = f"{job.kind}/{job.namespace}/{job.name}"
        return Text("JobDequeued", f"Job {name} is being dequeued and waiting for reconciling.")

    def invalid(self, job: Named, problem: str) -> Text:
        return Text("JobFailedValidation", f"{job.kind} {job.name} failed validation because {problem}")


_REASONS = {ConditionType.QUEUING: "JobEnqueued"}


class KubeDL(Dialect):
    name = "kubedl"
    group = GROUP
    version = VERSION
    texts = KubeDLTexts()

    @property
    def api_version(self) -> str:
        return KUBEDL

    def texts_for(self, conventions: Conventions) -> Texts:
        return KubeDLTexts(conventions.wording) if conventions.wording else self.texts

    def decode(self, obj: Mapping[str, Any], framework: Framework) -> Job:
        spec = framework.current_spec(KUBEDL, obj.get("spec") or {})
        conventions = framework.conventions[KUBEDL]
        roles = decode_roles(spec, framework, KUBEDL)
        for name in NESTED_RUN_POLICIES:
            metadata.mapping(spec, name, "spec")
        values = gathered_run_policy(spec)
        annotations = metadata.readable(metadata.readable(obj.get("metadata")).get("annotations"))
        if conventions.elastic and annotations.get(conventions.elastic) == "true":
            values.setdefault("restartScope", RestartScope.JOB)
        scheduling = _scheduling(metadata.mapping(values, "schedulingPolicy", "spec"))
        policy = metadata.run_policy(values, "spec", conventions, scheduling)
        not_options = {framework.replica_specs_field, *NESTED_RUN_POLICIES, *(RUN_POLICY_FIELDS - {"cronPolicy"})}
        options = {name: value for name, value in spec.items() if name not in not_options}
        if values.get("cronPolicy"):
            options["cronPolicy"] = values["cronPolicy"]
        job = replace(metadata.outline(obj, policy), roles=roles, options=options)
        check_names(job, framework)
        return job

    def outline(self, obj: Mapping[str, Any], framework: Framework | None = None) -> Job:
        values = gathered_run_policy(metadata.readable(obj.get("spec")))
        conventions = framework.conventions[KUBEDL] if framework is not None else None
        return metadata.outline(obj, metadata.outlined_run_policy(values, conventions))

    def decode_status(self, status: Mapping[str, Any]) -> JobStatus:
        return decode_status(status)

    def encode_status(self, job: Job, status: JobStatus) -> dict[str, Any]:
        return encode_status(status)

    def labels(self, job: Job, role: str, index: int, *, master: bool) -> dict[str, str]:
        labels = {**self.job_labels(job), "replica-type": role.lower(), "replica-index": str(index)}
        return {**labels, "job-role": "master"} if master else labels

    def job_labels(self, job: Named) -> dict[str, str]:
        return {"group-name": GROUP, "job-name": job.name}

    def job_selector(self) -> str:
        return f"group-name={GROUP}"

    def reason(self, kind: str, type_: ConditionType) -> str:
        return _REASONS.get(type_, f"Job{type_}")

    def retryable(self, exit_code: int) -> bool:
        return exit_code in RETRYABLE_EXIT_CODES

    def retryable_reason(self, reason: str) -> bool:
        return reason in RETRYABLE_REASONS

    def manages(self, job: Job) -> bool:
        return True


def gathered_run_policy(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The run policy of a spec. A nested one wins field by field, and the inline fields fill its gaps. An empty
    clean-pod policy is All, as KubeDL has it."""
    values = {name: spec[name] for name in RUN_POLICY_FIELDS if spec.get(name) is not None}
    for name in NESTED_RUN_POLICIES:
        nested = metadata.readable(spec.get(name))
        values.update({key: value for key, value in nested.items() if value is not None})
    if values.get("cleanPodPolicy") == "":
        values["cleanPodPolicy"] = CleanPodPolicy.ALL
    return values


def _scheduling(values: Mapping[str, Any]) -> SchedulingPolicy:
    return SchedulingPolicy(
        min_available=values.get("minAvailable"),
        queue=values.get("queue") or "",
        priority=values.get("priority"),
        priority_class=values.get("priorityClassName") or "",
    )
