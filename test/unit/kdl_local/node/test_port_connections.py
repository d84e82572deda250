"""Connections to the ports of pods."""

import asyncio
import socket

import pytest

from kdl_local.apiserver.streams.provider import StreamError
from unit.kdl_local.node.rig import DEADLINE, NodeRig

SERVER = """
import os, socket
server = socket.create_server((os.environ["ADDRESS"], 0))
print("port", server.getsockname()[1], flush=True)
while True:
    client, _ = server.accept()
    with client:
        while data := client.recv(65536):
            client.sendall(data.upper())
        client.sendall(b".")
"""


async def port_of(rig: NodeRig, address: str) -> int:
    env = [
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "ADDRESS", "value": address},
    ]
    rig.pod("p", "python", "-c", SERVER, container={"env": env})
    await rig.said("p", "port ")
    return int((await rig.log("p")).split()[1])


@pytest.mark.parametrize("address", ["$(IP)", "0.0.0.0", "127.0.0.1"])
async def test_whatever_address_the_pod_listens_on(rig: NodeRig, address: str) -> None:
    port = await port_of(rig, address)
    connection = await rig.node.streams.connect(rig.get("p"), port)
    try:
        async with asyncio.timeout(DEADLINE):
            await connection.write(b"hello")
            assert await connection.read() == b"HELLO"
            connection.close_input()
            assert await connection.read() == b"."
            assert await connection.read() == b""
    finally:
        await connection.close()


async def test_a_port_that_is_closed(rig: NodeRig) -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:
        port = server.getsockname()[1]
    rig.pod("p", "sleep", "1000")
    await rig.phase("p", "Running")
    pod = rig.get("p")
    with pytest.raises(StreamError) as error:
        await rig.node.streams.connect(pod, port)
    assert str(error.value) == (
        f"error forwarding port {port} to pod p, uid {pod['metadata']['uid']}: "
        f"dial tcp4 {pod['status']['podIP']}:{port}: connect: connection refused"
    )


async def test_a_pod_that_has_not_started(rig: NodeRig) -> None:
    rig.pod("p", "sleep", "1000", nodeName="elsewhere")
    with pytest.raises(StreamError, match=r"error forwarding port 80 to pod p, uid .*: the pod does not run"):
        await rig.node.streams.connect(rig.get("p"), 80)
