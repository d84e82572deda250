"""Exec, attach and port-forward as requests to the API server, up to where the connection would go on."""

import random
from typing import Any

import pytest

from kdl_local.apiserver.request import Request, Response, make_request
from kdl_local.apiserver.server import ApiServer
from kdl_local.apiserver.streams.provider import CommandOptions, StreamProvider
from kdl_local.resources import PODS
from kdl_runtime.clock import SystemClock
from kdl_runtime.codec.json import decode
from kdl_runtime.errors import BadRequest
from unit.kdl_local.apiserver.streams.rig import FakeConnection, FakeSession, FakeSocket, until

Object = dict[str, Any]

UPGRADE = {"connection": "Upgrade", "upgrade": "websocket"}


class Node:
    """Remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []

    async def exec(self, pod: Any, options: CommandOptions) -> FakeSession:
        return self._session("exec", pod, options)

    async def attach(self, pod: Any, options: CommandOptions) -> FakeSession:
        return self._session("attach", pod, options)

    async def connect(self, pod: Any, port: int) -> FakeConnection:
        self.asked.append(("connect", pod["metadata"]["name"], port))
        connection = FakeConnection()
        connection.says.put_nowait(None)
        return connection

    def _session(self, what: str, pod: Any, options: CommandOptions) -> FakeSession:
        self.asked.append((what, pod["metadata"]["name"], options))
        session = FakeSession()
        session.exit(0)
        return session


def server(node: StreamProvider | None) -> ApiServer:
    found = ApiServer(SystemClock(), random.Random(1))
    if node is not None:
        found.stream_router = lambda _: node
    spec = {"nodeName": "n", "containers": [{"name": "c", "image": "kdl/python", "command": ["sh"]}]}
    found.direct.create(PODS, {"metadata": {"name": "p", "namespace": "default"}, "spec": spec})
    return found


def request(what: str, *, method: str = "GET", protocols: str = "", name: str = "p") -> Request:
    headers = {**UPGRADE, "sec-websocket-protocol": protocols} if protocols else {}
    return make_request(method, f"/api/v1/namespaces/default/pods/{name}/{what}", headers=headers)


async def serve(response: Response) -> list[bytes]:
    assert (response.status, response.upgrade is not None) == (101, True), response.complete
    assert response.upgrade is not None
    socket = FakeSocket()
    await response.upgrade.serve(socket)
    return socket.heard


@pytest.mark.parametrize(("method", "what"), [("GET", "exec"), ("POST", "exec"), ("GET", "attach"), ("POST", "attach")])
async def test_a_command_is_passed_to_the_node(method: str, what: str) -> None:
    node = Node()
    asked = request(
        f"{what}?command=a&command=b&stdout=true&tty=1",
        method=method,
        protocols="v9.channel.k8s.io, v4.channel.k8s.io",
    )
    response = await server(node).handle(asked)
    assert response.upgrade is not None
    assert response.upgrade.protocol == "v4.channel.k8s.io"
    assert len(await serve(response)) == 2
    command = ("a", "b") if what == "exec" else ()
    assert node.asked == [(what, "p", CommandOptions("c", command, stdout=True, tty=True))]


async def test_port_forward_over_channels() -> None:
    node = Node()
    asked = request("portforward?ports=80,81", protocols="v5.channel.k8s.io,v4.channel.k8s.io")
    assert len(await serve(await server(node).handle(asked))) == 4
    assert node.asked == [("connect", "p", 80), ("connect", "p", 81)]


async def test_port_forward_over_spdy() -> None:
    node = Node()
    response = await server(node).handle(request("portforward", protocols="SPDY/3.1+portforward.k8s.io"))
    assert response.upgrade is not None
    assert response.upgrade.protocol == "SPDY/3.1+portforward.k8s.io"
    socket = FakeSocket()
    socket.leave()
    await response.upgrade.serve(socket)
    await until(lambda: node.asked == [])


@pytest.mark.parametrize(
    ("asked", "code", "message"),
    [
        (request("exec?command=ls&stdout=1", name="q", protocols="v5.channel.k8s.io"), 404, 'pods "q" not found'),
        (request("exec?command=ls&stdout=1"), 400, "Upgrade request required"),
        (request("attach?stdout=1"), 400, "Upgrade request required"),
        (request("portforward?ports=80"), 400, "Upgrade request required"),
        (request("portforward", protocols="v4.channel.k8s.io"), 400, 'query parameter "ports" is required'),
        (
            request("exec?stdout=1", method="PUT"),
            405,
            "the server does not allow this method on the requested resource",
        ),
    ],
)
async def test_refusals(asked: Request, code: int, message: str) -> None:
    response = await server(Node()).handle(asked)
    assert (response.status, decode(response.complete)["message"]) == (code, message)


async def test_a_server_without_nodes() -> None:
    response = await server(None).handle(request("portforward", protocols="SPDY/3.1+portforward.k8s.io"))
    assert decode(response.complete)["message"] == "this server has no node that runs pods"


async def test_a_node_where_nothing_runs() -> None:
    def refuse(_: Any) -> StreamProvider:
        raise BadRequest("pod p only seems to run")

    api = server(Node())
    api.stream_router = refuse
    response = await api.handle(request("attach?stdout=1", protocols="v5.channel.k8s.io"))
    assert (response.status, decode(response.complete)["message"]) == (400, "pod p only seems to run")
