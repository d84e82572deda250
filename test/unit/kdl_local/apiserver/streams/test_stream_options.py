from typing import Any

import pytest

from kdl_local.apiserver.request import Request, make_request
from kdl_local.apiserver.streams.channels import V4, V5
from kdl_local.apiserver.streams.options import agreed_protocol, command_options, ports
from kdl_local.apiserver.streams.provider import CommandOptions
from kdl_runtime.errors import BadRequest


def pod(*names: str, init: tuple[str, ...] = (), node: str = "n") -> dict[str, Any]:
    spec = {"nodeName": node, "containers": [{"name": name} for name in names]}
    if init:
        spec["initContainers"] = [{"name": name} for name in init]
    return {"metadata": {"name": "p", "namespace": "default"}, "spec": spec}


def request(query: str) -> Request:
    return make_request("GET", f"/api/v1/namespaces/default/pods/p/exec?{query}")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("command=ls&command=-l&stdout=true", CommandOptions("c", ("ls", "-l"), stdout=True)),
        (
            "command=cat&stdin=1&stdout=1&stderr=true",
            CommandOptions("c", ("cat",), stdin=True, stdout=True, stderr=True),
        ),
        (
            "command=sh&stdin=true&stdout=true&stderr=true&tty=true",
            CommandOptions("c", ("sh",), stdin=True, stdout=True, tty=True),
        ),
        ("command=sh&command=-c&command=&stderr=true", CommandOptions("c", ("sh", "-c", ""), stderr=True)),
    ],
)
def test_what_exec_asks_for(query: str, expected: CommandOptions) -> None:
    assert command_options(request(query), pod("c"), exec_=True) == expected


def test_attach_has_no_command() -> None:
    found = command_options(request("stdout=true&container=b&command=ls"), pod("a", "b"), exec_=False)
    assert found == CommandOptions("b", stdout=True)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("command=ls", "you must specify at least 1 of stdin, stdout, stderr"),
        ("command=ls&tty=true&stderr=true", "you must specify at least 1 of stdin, stdout, stderr"),
        ("stdout=true", "you must specify at least one command for the container"),
        ("command=ls&stdout=maybe", "the query parameter stdout='maybe' is not a boolean: write true or false"),
        ("command=ls&stdout=true&container=d", "container d is not valid for pod p"),
    ],
)
def test_what_exec_refuses(query: str, message: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        command_options(request(query), pod("c"), exec_=True)
    assert refusal.value.message == message


def test_the_choice_of_a_container() -> None:
    everything = pod("a", "b", init=("i",))
    with pytest.raises(BadRequest) as refusal:
        command_options(request("command=ls&stdout=true"), everything, exec_=True)
    assert refusal.value.message == "a container name must be specified for pod p, choose one of: [i a b]"
    chosen = command_options(request("command=ls&stdout=true&container=i"), everything, exec_=True)
    assert chosen.container == "i"
    # As in the real API, init containers leave no doubt about which one is meant.
    assert command_options(request("command=ls&stdout=true"), pod("a", init=("i",)), exec_=True).container == "a"


def test_a_pod_without_node() -> None:
    with pytest.raises(BadRequest, match="pod p does not have a host assigned"):
        command_options(request("command=ls&stdout=true"), pod("c", node=""), exec_=True)


@pytest.mark.parametrize(
    ("query", "expected"),
    [("ports=80", (80,)), ("ports=80,8080", (80, 8080)), ("ports=80&ports=1,65535", (80, 1, 65535))],
)
def test_ports(query: str, expected: tuple[int, ...]) -> None:
    assert ports(request(query)) == expected


@pytest.mark.parametrize("text", ["0", "65536", "-1", "http", "", "8%200", "１"])
def test_what_is_no_port(text: str) -> None:
    with pytest.raises(BadRequest, match="as a port: it is a number from 1 to 65535"):
        ports(request(f"ports={text}"))


def test_no_ports_and_too_many() -> None:
    with pytest.raises(BadRequest, match='query parameter "ports" is required'):
        ports(request(""))
    with pytest.raises(BadRequest, match="names 33 ports; one request takes 32"):
        ports(request("ports=" + ",".join(map(str, range(1, 34)))))


def handshake(**headers: str) -> Request:
    return make_request("GET", "/", headers={name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize(
    ("offered", "expected"),
    [("v5.channel.k8s.io", V5), ("v4.channel.k8s.io, v5.channel.k8s.io", V4), ("other,v5.channel.k8s.io", V5)],
)
def test_the_first_protocol_that_is_served(offered: str, expected: str) -> None:
    asked = handshake(Connection="keep-alive, Upgrade", Upgrade="WebSocket", Sec_WebSocket_Protocol=offered)
    assert agreed_protocol(asked, (V5, V4)) == expected


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, "Upgrade request required"),
        ({"Upgrade": "websocket"}, "Upgrade request required"),
        ({"Connection": "Upgrade"}, "Upgrade request required"),
        ({"Connection": "Upgrade", "Upgrade": "SPDY/3.1"}, "this server streams over WebSocket, not over SPDY/3.1"),
        ({"Connection": "Upgrade", "Upgrade": "websocket"}, r"not supported: \[\]; supports \[v5.channel.k8s.io"),
        (
            {"Connection": "Upgrade", "Upgrade": "websocket", "Sec_WebSocket_Protocol": "v1.x,v2.x"},
            r"requested protocol\(s\) are not supported: \[v1.x v2.x\]",
        ),
    ],
)
def test_what_is_no_handshake(headers: dict[str, str], message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        agreed_protocol(handshake(**headers), (V5, V4))
