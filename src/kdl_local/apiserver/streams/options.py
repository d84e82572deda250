"""The parameters of exec, attach and port-forward, and the handshake that they have in common. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from kdl_local.apiserver.request import Request
from kdl_local.apiserver.streams.provider import CommandOptions
from kdl_runtime.errors import BadRequest

Object = Mapping[str, Any]

MAX_PORTS = 32
"""Ports in one request of the channel form, in which every port takes two of the 255 channels."""


def command_options(request: Request, pod: Object, *, exec_: bool) -> CommandOptions:
    """BadRequest for what cannot be meant, before anything is started."""
    container = _container(pod, request.param("container"))
    check_node(pod)
    tty = request.flag("tty")
    stdin, stdout = request.flag("stdin"), request.flag("stdout")
    stderr = request.flag("stderr") and not tty
    if not (stdin or stdout or stderr):
        raise BadRequest("you must specify at least 1 of stdin, stdout, stderr")
    command = tuple(request.query.get("command") or ()) if exec_ else ()
    if exec_ and not command:
        raise BadRequest("you must specify at least one command for the container")
    return CommandOptions(container, command, stdin, stdout, stderr, tty)


def ports(request: Request) -> tuple[int, ...]:
    """The ports that the channel form of port-forward names in its query."""
    found: list[int] = []
    texts = [text for value in request.query.get("ports") or () for text in value.split(",")]
    for text in texts:
        if not (text.isascii() and text.isdigit() and 0 < int(text) < 2**16):
            raise BadRequest(f'unable to parse "{text}" as a port: it is a number from 1 to 65535')
        found.append(int(text))
    if not found:
        raise BadRequest('query parameter "ports" is required')
    if len(found) > MAX_PORTS:
        raise BadRequest(f'query parameter "ports" names {len(found)} ports; one request takes {MAX_PORTS}')
    return tuple(found)


def check_node(pod: Object) -> None:
    """BadRequest for a pod that is not on any node yet."""
    if not (pod.get("spec") or {}).get("nodeName"):
        raise BadRequest(f"pod {pod['metadata']['name']} does not have a host assigned")


def agreed_protocol(request: Request, served: Sequence[str]) -> str:
    """The first protocol of the client that is served. BadRequest for a request that is no WebSocket handshake."""
    tokens = [token.strip().lower() for token in request.header("connection").split(",")]
    upgrade = request.header("upgrade").lower()
    if "upgrade" not in tokens or not upgrade:
        raise BadRequest("Upgrade request required")
    if upgrade != "websocket":
        raise BadRequest(
            f"this server streams over WebSocket, not over {request.header('upgrade')}: "
            "use kubectl 1.31 or newer, and do not set KUBECTL_REMOTE_COMMAND_WEBSOCKETS or "
            "KUBECTL_PORT_FORWARD_WEBSOCKETS to false"
        )
    offered = [item.strip() for item in request.header("sec-websocket-protocol").split(",") if item.strip()]
    for protocol in offered:
        if protocol in served:
            return protocol
    raise BadRequest(
        f"requested protocol(s) are not supported: [{' '.join(offered)}]; supports [{' '.join(served)}]: "
        "name one in the header Sec-WebSocket-Protocol"
    )


def _container(pod: Object, asked: str) -> str:
    name, spec = pod["metadata"]["name"], pod.get("spec") or {}
    main = [str(item["name"]) for item in spec.get("containers") or ()]
    fields = ("initContainers", "containers", "ephemeralContainers")
    everything = [str(item["name"]) for field in fields for item in spec.get(field) or ()]
    if asked:
        if asked not in everything:
            raise BadRequest(f"container {asked} is not valid for pod {name}")
        return asked
    if len(main) != 1:
        choice = f"choose one of: [{' '.join(everything)}]"
        raise BadRequest(f"a container name must be specified for pod {name}, {choice}")
    return main[0]
