"""The first failure of a job, kept in its status because the pod that tells of it may go."""

from datetime import datetime
from typing import Protocol

from kdl_workloads.engine.outcome import previous_end, training_end
from kdl_workloads.engine.pod import Pod
from kdl_workloads.job import Failure

MAX_MESSAGE = 1024
"""Characters of a message that are kept, the last ones: a traceback ends with what matters."""
_SIGNAL_BASE = 128
_LAST_SIGNAL = 64


class Place(Protocol):
    """Which replica a pod is, and which of its containers trains."""

    @property
    def role(self) -> str: ...
    @property
    def index(self) -> int: ...
    @property
    def pod(self) -> Pod: ...


def describe(replica: Place, container: str, now: datetime, *, restarted: bool = False) -> Failure:
    """Where, when and how the replica's pod failed; ``restarted``: how a container of it had failed before its kubelet
    started it again. ``now`` stands in for a time that no container tells."""
    pod = replica.pod
    found = previous_end(pod, container) if restarted else training_end(pod, container)
    name, end = found if found is not None else ("", None)
    target = pod.condition("DisruptionTarget")
    reason = (end.reason if end else "") or pod.status.reason or (target.reason if target else "")
    message = (end.message if end else "") or pod.status.message or (target.message if target else "")
    return Failure(
        pod=pod.name,
        role=replica.role,
        index=replica.index,
        time=((end and end.ended_at) or pod.deleted_at or now).replace(microsecond=0),
        node=pod.spec.node_name,
        container=name,
        exit_code=end.exit_code if end else None,
        signal=(end.signal or signal_of(end.exit_code)) if end else None,
        reason=reason,
        message=message.strip()[-MAX_MESSAGE:],
    )


def signal_of(exit_code: int) -> int | None:
    """137 is 9: how shells and container runtimes report a death by signal."""
    signal = exit_code - _SIGNAL_BASE
    return signal if 1 <= signal <= _LAST_SIGNAL else None
