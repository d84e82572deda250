"""The ``log`` subresource of pods: its parameters, and what a node offers to answer it."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from kdl_local.apiserver.request import TEXT, Request, Response
from kdl_runtime.codec.times import parse_time
from kdl_runtime.errors import BadRequest


@dataclass(frozen=True, slots=True)
class LogOptions:
    """``PodLogOptions`` of the core API. None means no bound; ``tail_lines`` 0 asks for new lines only."""

    container: str
    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail_lines: int | None = None
    since_seconds: int | None = None
    since_time: datetime | None = None
    limit_bytes: int | None = None


class LogProvider(Protocol):
    """Set by whatever runs pods. Answers for the container that the server has already found in the pod's spec."""

    async def __call__(self, pod: Mapping[str, Any], options: LogOptions) -> AsyncGenerator[bytes, None]:
        """The log in pieces, honouring every option; ends with the log, or with the container if ``follow``.

        Raises before the first piece: BadRequest while the container waits to start, NotFound for a log that is gone.
        The consumer closes the generator when its client goes.
        """
        ...


def log_options(request: Request, pod: Mapping[str, Any]) -> LogOptions:
    """Reads the query; BadRequest names the containers to choose from when the choice is not clear."""
    since = request.param("sinceTime")
    try:
        since_time = parse_time(since) if since else None
    except ValueError as error:
        raise BadRequest(f"sinceTime: {error}") from None
    return LogOptions(
        container=_container(pod, request.param("container")),
        follow=request.flag("follow"),
        previous=request.flag("previous"),
        timestamps=request.flag("timestamps"),
        tail_lines=request.natural("tailLines"),
        since_seconds=request.natural("sinceSeconds"),
        since_time=since_time,
        limit_bytes=request.natural("limitBytes"),
    )


def _names(spec: Mapping[str, Any], field: str) -> list[str]:
    return [str(container["name"]) for container in spec.get(field) or ()]


def _container(pod: Mapping[str, Any], asked: str) -> str:
    name, spec = pod["metadata"]["name"], pod.get("spec") or {}
    main, init = _names(spec, "containers"), _names(spec, "initContainers")
    everything = [*main, *init, *_names(spec, "ephemeralContainers")]
    if not asked:
        if len(everything) == 1:
            return everything[0]
        choice = f"choose one of: [{' '.join(main)}]"
        if init:
            choice += f" or one of the init containers: [{' '.join(init)}]"
        raise BadRequest(f"a container name must be specified for pod {name}, {choice}")
    if asked not in everything:
        raise BadRequest(f"container {asked} is not valid for pod {name}")
    return asked


async def pod_log(request: Request, pod: Mapping[str, Any], provider: LogProvider | None) -> Response:
    """The answer to ``GET pods/x/log``."""
    options = log_options(request, pod)
    if not (pod.get("spec") or {}).get("nodeName"):
        return Response(204)
    if provider is None:
        raise BadRequest("this server has no node that keeps logs")
    return Response(200, await provider(pod, options), TEXT)
