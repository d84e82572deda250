"""The logs of a job's replicas: which pods, and their lines as they are written."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import click

from kdl_cli.errors import CliError
from kdl_cli.follow import ADDED, MODIFIED, Target, follow
from kdl_cli.jobs import JobView, Replica, job_view, replica_of, sort_replicas
from kdl_cli.lines import Emit, LineSplitter
from kdl_cli.references import Found
from kdl_cli.session import Session
from kdl_cli.waiting import job_views
from kdl_runtime.client.client import ListOptions
from kdl_runtime.errors import ApiError, TransportError
from kdl_runtime.resources.registry import PODS

_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
_MASTERS = ("Master", "Chief", "Launcher")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which replicas: of one role (any case) and index; None is any of them."""

    role: str | None = None
    index: int | None = None

    def matches(self, replica: Replica | None) -> bool:
        if replica is None:
            return self == Selection()
        return (self.role is None or self.role.lower() == replica.role) and self.index in (None, replica.index)

    @property
    def single(self) -> bool:
        """Whether one replica at most fits."""
        return self.role is not None and self.index is not None


def leading(view: JobView) -> Selection:
    """The replica that speaks for the job: its master, else the first of its first role (worker 0)."""
    role = next((name for name in _MASTERS if name in view.replicas), next(iter(view.replicas), None))
    return Selection(role, None if role is None else 0)


@dataclass(frozen=True, slots=True)
class LogOptions:
    """``container`` "" is the pod's default one (the annotation's, else the first). ``tail`` lines from the end,
    ``since`` seconds back; None is everything that the node still has. ``previous`` is the run before the last
    restart."""

    container: str = ""
    tail: int | None = None
    since: float | None = None
    timestamps: bool = False
    follow: bool = False
    previous: bool = False

    def query(self, container: str) -> tuple[tuple[str, str], ...]:
        """The parameters of the log of one container of one pod."""
        pairs = (
            ("container", container),
            ("tailLines", "" if self.tail is None else str(self.tail)),
            ("sinceSeconds", "" if self.since is None else str(max(1, round(self.since)))),
            ("timestamps", "true" if self.timestamps else ""),
            ("follow", "true" if self.follow else ""),
            ("previous", "true" if self.previous else ""),
        )
        return tuple((name, value) for name, value in pairs if value)


@dataclass(frozen=True, slots=True)
class Request:
    """What to print of which job. ``emit`` gets every line with the name of its replica."""

    job: Found
    selection: Selection
    options: LogOptions
    emit: Emit

    def pods(self) -> Target:
        view = job_view(self.job.resource, self.job.object)
        return Target(PODS, self.job.key.namespace, label_selector=view.selector())


def chosen_container(pod: Mapping[str, Any], asked: str) -> str:
    """The one that is asked for, else the one that the pod's annotation names, else its first."""
    annotations = pod["metadata"].get("annotations") or {}
    return asked or annotations.get(_DEFAULT_CONTAINER) or str(pod["spec"]["containers"][0]["name"])


def started(pod: Mapping[str, Any], container: str) -> int | None:
    """How often the container has been started again, or None while it has not run and so has no log."""
    for status in (pod.get("status") or {}).get("containerStatuses") or ():
        if container == status["name"]:
            state = status.get("state") or {}
            ran = bool(state.get("running") or state.get("terminated") or status.get("restartCount"))
            return int(status.get("restartCount") or 0) if ran else None
    return None


async def print_logs(session: Session, request: Request) -> None:
    """What is there now, replica by replica. CliError if no replica fits or none has started."""
    target = request.pods()
    listed = await session.client.list(PODS, target.namespace, ListOptions(label_selector=target.label_selector))
    pods = sort_replicas([pod for pod in listed if request.selection.matches(replica_of(pod))])
    readable = [pod for pod in pods if _readable(pod, request.options)]
    if not readable:
        raise CliError(_nothing(request, pods))
    for pod in readable:
        await _print(session, request, pod)


def _readable(pod: Mapping[str, Any], options: LogOptions) -> bool:
    runs = started(pod, chosen_container(pod, options.container))
    return runs is not None and (runs > 0 or not options.previous)


def _nothing(request: Request, pods: Sequence[Mapping[str, Any]]) -> str:
    if pods and request.options.previous:
        return f"no container of {request.job} that fits was started again, so none has a previous log"
    if pods:
        return f"no replica of {request.job} that fits has started: use -f to wait for it"
    view = job_view(request.job.resource, request.job.object)
    roles = ", ".join(f"{role} (0 to {count - 1})" for role, count in view.replicas.items() if count)
    return f"{request.job} has no pod that fits, it is {view.state}: its replicas are {roles}; use -f to wait for them"


async def follow_logs(session: Session, request: Request) -> None:
    """Lines of all replicas that fit as they are written, also of those that start later and of restarted containers,
    until the job has ended and their logs as well, or the job is gone."""
    seen: set[tuple[str, int]] = set()
    async with asyncio.TaskGroup() as group:

        def take(pod: Mapping[str, Any]) -> None:
            run = started(pod, chosen_container(pod, request.options.container))
            identity = (pod["metadata"]["uid"], run if run is not None else -1)
            if run is None or identity in seen or not request.selection.matches(replica_of(pod)):
                return
            seen.add(identity)
            group.create_task(_print(session, request, pod))

        async def take_all() -> None:
            async with aclosing(follow(session, request.pods())) as changes:
                async for change in changes:
                    if change.type in (ADDED, MODIFIED):
                        take(change.object)

        watcher = group.create_task(take_all())
        await _ended(session, request.job)
        watcher.cancel()
        # The end of the job may be known before the watcher has seen the last pod start.
        target = request.pods()
        for pod in await session.client.list(PODS, target.namespace, ListOptions(label_selector=target.label_selector)):
            take(pod)


async def _ended(session: Session, job: Found) -> None:
    async with aclosing(job_views(session, job)) as views:
        async for view in views:
            if view is None or view.outcome is not None:
                return


async def _print(session: Session, request: Request, pod: Mapping[str, Any]) -> None:
    metadata = pod["metadata"]
    source = str(replica_of(pod) or metadata["name"])
    path = PODS.path(metadata["namespace"], metadata["name"], "log")
    query = request.options.query(chosen_container(pod, request.options.container))
    splitter = LineSplitter()
    try:
        async with session.client.stream_path(path, query) as chunks:
            async for chunk in chunks:
                for line in splitter.feed(chunk):
                    request.emit(source, line)
    except (ApiError, TransportError) as error:
        # One replica's log is lost (its pod has just gone, its node is away); those of the others go on.
        click.echo(f"the log of {metadata['name']} ends here: {error}", err=True)
    for line in splitter.close():
        request.emit(source, line)
