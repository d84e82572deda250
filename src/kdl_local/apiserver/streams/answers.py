"""Answers to exec, attach and port-forward, as far as HTTP goes: a refusal, or how the connection goes on."""

from collections.abc import Mapping
from typing import Any

from kdl_local.apiserver.request import Request, Response
from kdl_local.apiserver.streams.channels import V4, V5
from kdl_local.apiserver.streams.command import serve_command
from kdl_local.apiserver.streams.options import agreed_protocol, check_node, command_options, ports
from kdl_local.apiserver.streams.port_forward import serve_channels
from kdl_local.apiserver.streams.provider import Connection, Session, StreamProvider, StreamRouter
from kdl_local.apiserver.streams.socket import Socket, Upgrade
from kdl_local.apiserver.streams.tunnel import PROTOCOL, serve_tunnel
from kdl_runtime.errors import BadRequest

Object = Mapping[str, Any]

COMMAND_PROTOCOLS = (V5, V4)
FORWARD_PROTOCOLS = (PROTOCOL, V4)


def pod_command(request: Request, pod: Object, router: StreamRouter | None, *, exec_: bool) -> Response:
    """The answer to ``pods/x/exec`` or ``pods/x/attach``."""
    options = command_options(request, pod, exec_=exec_)
    node = _node(router, pod)
    protocol = agreed_protocol(request, COMMAND_PROTOCOLS)

    async def start() -> Session:
        return await (node.exec if exec_ else node.attach)(pod, options)

    async def serve(socket: Socket) -> None:
        await serve_command(socket, protocol, options, start)

    return Response(101, upgrade=Upgrade(protocol, serve))


def pod_port_forward(request: Request, pod: Object, router: StreamRouter | None) -> Response:
    """The answer to ``pods/x/portforward``."""
    check_node(pod)
    node = _node(router, pod)
    protocol = agreed_protocol(request, FORWARD_PROTOCOLS)

    async def connect(port: int) -> Connection:
        return await node.connect(pod, port)

    if protocol == PROTOCOL:
        return Response(101, upgrade=Upgrade(protocol, lambda socket: serve_tunnel(socket, connect)))
    wanted = ports(request)
    return Response(101, upgrade=Upgrade(protocol, lambda socket: serve_channels(socket, wanted, connect)))


def _node(router: StreamRouter | None, pod: Object) -> StreamProvider:
    if router is None:
        raise BadRequest("this server has no node that runs pods")
    return router(pod)
