"""A dialect: the codec between one API group's objects and the neutral job, and that group's names and texts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from kdl_runtime.errors import KdlError
from kdl_workloads.framework import Conventions, Framework, Words
from kdl_workloads.job import ConditionType, Job, JobStatus


class SpecError(KdlError):
    """A spec that cannot be carried out, for a reason that the CRD's schema does not see.

    ``field`` is the path of what is wrong (``spec.xgbReplicaSpecs.Master``); ``message`` says what to write there.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


@dataclass(frozen=True, slots=True)
class Text:
    """Reason and message of a condition, and of the event that tells of it."""

    reason: str
    message: str


class Named(Protocol):
    """What the texts need to know of a job."""

    @property
    def kind(self) -> str: ...
    @property
    def namespace(self) -> str: ...
    @property
    def name(self) -> str: ...


class WordedTexts:
    """The texts of a group, of which a kind may word some differently."""

    def __init__(self, wording: Mapping[ConditionType, Words] | None = None) -> None:
        self._wording = wording or {}

    def _say(self, type_: ConditionType, usual: Text, job: Named, role: str = "", count: int = 0) -> Text:
        words = self._wording.get(type_)
        if words is None:
            return usual
        message = words.message.format(kind=job.kind, namespace=job.namespace, name=job.name, role=role, count=count)
        return Text(words.reason or usual.reason, message)


class Texts(Protocol):
    """The reasons and messages that clients of the group compare, one function each."""

    def created(self, job: Named) -> Text: ...
    def running(self, job: Job) -> Text: ...
    def succeeded(self, job: Job) -> Text: ...
    def failed(self, job: Job, role: str, count: int) -> Text:
        """``count`` replicas of ``role`` failed for good."""
        ...

    def restarting(self, job: Named, role: str, count: int) -> Text:
        """``count`` failed replicas of ``role`` are replaced. None failed: the number of replicas has changed."""
        ...

    def backoff_limit(self, job: Named) -> Text: ...
    def deadline(self, job: Named) -> Text: ...
    def suspended(self, job: Named) -> Text: ...
    def resumed(self, job: Named) -> Text: ...
    def enqueued(self, job: Named) -> Text: ...
    def dequeued(self, job: Named) -> Text: ...
    def invalid(self, job: Named, problem: str) -> Text:
        """The spec or a pod template was refused by the operator; ``problem`` names the field."""
        ...


def why_restarting(role: str, count: int) -> str:
    return f"{count} {role} replica(s) failed" if count else "its number of replicas has changed"


class Dialect(Protocol):
    """One API group and version. ``name`` is the short one of logs and flags ("kubedl", "kubeflow")."""

    name: str
    group: str
    version: str
    texts: Texts

    @property
    def api_version(self) -> str: ...

    def texts_for(self, conventions: Conventions) -> Texts:
        """The texts of one kind."""
        ...

    def decode(self, obj: Mapping[str, Any], framework: Framework) -> Job:
        """The neutral job, defaults filled in. ``obj`` is not changed and the defaults are never written back.

        SpecError for what cannot be carried out; ``outline`` then still gives a job to report it on.
        """
        ...

    def outline(self, obj: Mapping[str, Any], framework: Framework | None = None) -> Job:
        """The job without roles and options: who it is, whose it is, what its status says, and what becomes of it at
        its end (clean-pod policy and time to live, with the defaults of the kind if ``framework`` is given). Never
        fails."""
        ...

    def decode_status(self, status: Mapping[str, Any]) -> JobStatus:
        """Never fails: fields that it cannot read are as if absent; those that it does not know are in ``extra``."""
        ...

    def encode_status(self, job: Job, status: JobStatus) -> dict[str, Any]:
        """The whole ``status`` of the object, ``extra`` included."""
        ...

    def labels(self, job: Job, role: str, index: int, *, master: bool) -> dict[str, str]:
        """Labels of a replica's pod and service. The selector of the service is the same with ``master=False``."""
        ...

    def job_labels(self, job: Named) -> dict[str, str]:
        """The labels that all pods and services of one job have in common."""
        ...

    def job_selector(self) -> str:
        """Label selector that matches the pods and services of every job of this dialect."""
        ...

    def reason(self, kind: str, type_: ConditionType) -> str:
        """The usual reason of a condition: ``JobRunning`` or ``PyTorchJobRunning``."""
        ...

    def retryable(self, exit_code: int) -> bool:
        """Whether restart policy ExitCode replaces a pod whose training container ended with this code."""
        ...

    def retryable_reason(self, reason: str) -> bool:
        """The same for a pod's ``status.reason``, where no exit code tells (Evicted, …)."""
        ...

    def manages(self, job: Job) -> bool:
        """False where ``managedBy`` gives the job to another controller: nothing at all is written then."""
        ...
