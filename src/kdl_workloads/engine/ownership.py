"""Whose a job is: what ``managedBy`` gives to another controller is neither worked on nor counted."""

from collections.abc import Callable
from dataclasses import replace

from kdl_runtime.cache.event import Event
from kdl_workloads.dialects.base import Dialect
from kdl_workloads.engine.view import JobView

Handler = Callable[[Event[JobView]], None]


def is_ours(dialect: Dialect, job: JobView) -> bool:
    return not job.managed_by or dialect.manages(dialect.outline(job.as_object()))


def only_ours(dialect: Dialect, handler: Handler) -> Handler:
    """The handler for changes of this operator's jobs: to it the jobs of others are not there."""

    def ours(job: JobView | None) -> JobView | None:
        return job if job is not None and is_ours(dialect, job) else None

    def handle(event: Event[JobView]) -> None:
        old, new = ours(event.old), ours(event.new)
        if old is not None or new is not None:
            handler(replace(event, old=old, new=new))

    return handle
