"""Progress in an annotation of the job, or of one of its pods."""

import structlog

from kdl_workloads.engine.observed import Observed
from kdl_workloads.engine.plan import Plan
from kdl_workloads.engine.replicas import places
from kdl_workloads.progress.report import ReportError, parse_report
from kdl_workloads.progress.target import Target
from kdl_workloads.progress.writer import ProgressWriter

log = structlog.get_logger(__name__)

ANNOTATION = "kdl.io/progress"
MAX_JOBS = 10_000
"""Jobs whose last annotation is remembered. One that is forgotten is compared with the status."""
_KEPT = ("percentage", "step", "total", "estimatedRemainingSeconds", "metrics")


class AnnotatedProgress:
    """An extension of the engine: at each look at a job it hands on a report that has changed.

    The job's own annotation comes before those of its pods, and of these the first one in the order of roles and
    indexes. What it cannot read it says once in the log, since the job itself is none the worse for it.
    """

    def __init__(self, writer: ProgressWriter) -> None:
        self._writer = writer
        self._seen: dict[str, str] = {}

    def extend(self, observed: Observed, plan: Plan) -> Plan:
        uid = observed.job.uid
        text = "" if observed.job.status.finished else annotated(observed)
        if not text:
            self._seen.pop(uid, None)
        elif self._seen.get(uid) != text:
            if uid not in self._seen and len(self._seen) >= MAX_JOBS:
                del self._seen[next(iter(self._seen))]
            self._seen[uid] = text
            self._hand_on(observed, text)
        return plan

    def _hand_on(self, observed: Observed, text: str) -> None:
        job = observed.job
        try:
            report = parse_report(text)
        except ReportError as error:
            log.warning(f"the annotation {ANNOTATION} cannot be read", job=str(job.key), error=str(error))
            return
        written = job.status.extra.get("progress") or {}
        new = report.status(observed.now)
        if any(written.get(field) != new[field] for field in _KEPT):
            self._writer.submit(Target(observed.workload.resource, job.key, job.uid), report)


def annotated(observed: Observed) -> str:
    """The report of the job or of the first of its pods that has one; empty if none has."""
    own = observed.job.annotations.get(ANNOTATION, "")
    if own:
        return own
    texts = {pod.name: text for pod in observed.pods if (text := pod.metadata.annotations.get(ANNOTATION))}
    if len(texts) < 2:
        return next(iter(texts.values()), "")
    roles = list(observed.job.roles)
    place_of = places(observed.job, observed.workload.framework)

    def order(name: str) -> tuple[int, int, str]:
        place = place_of(name)
        if place is None or place[0] not in roles:
            return len(roles), 0, name
        return roles.index(place[0]), place[1], name

    return texts[min(texts, key=order)]
