"""kubectl port-forward to pods that run.

A pod ``echo`` greets every client with its name, and then says what it hears.
"""

import hashlib
import os
import socket
import threading
import time

import pytest

from conformance.kubectl import Kubectl
from conformance.streams import PATIENCE, ask, forwarded, hear, pod, running, sleeper, start

pytestmark = pytest.mark.node

ECHO = """
import os, socket, threading
def serve(client):
    with client:
        client.sendall(os.environ["HOSTNAME"].encode() + b"|")
        while data := client.recv(65536):
            client.sendall(data)
server = socket.create_server((os.environ["ADDRESS"], int(os.environ["PORT"])))
print("ready", flush=True)
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
"""


def free_port() -> int:
    """A port that no other test uses: pods may share the network of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def echo(kubectl: Kubectl, name: str, address: str = "0.0.0.0") -> int:
    """Starts the pod; its port."""
    port = free_port()
    env = [{"name": "ADDRESS", "value": address}, {"name": "PORT", "value": str(port)}]
    probe = {"exec": {"command": ["python3", "-c", f"import socket; socket.create_connection(('{address}', {port}))"]}}
    start(kubectl, pod(name, "python3", "-c", ECHO, env=env, readinessProbe={**probe, "periodSeconds": 1}))
    return port


@pytest.mark.parametrize("address", ["0.0.0.0", "127.0.0.1"])
def test_whatever_address_the_pod_listens_on(kubectl: Kubectl, address: str) -> None:
    port = echo(kubectl, "echo", address)
    with forwarded(kubectl, "pod/echo", port) as local:
        assert ask(local, b"hello", 10) == b"echo|hello"
        assert ask(local, b"again", 10) == b"echo|again"


def test_many_connections_at_once(kubectl: Kubectl) -> None:
    port = echo(kubectl, "echo")
    answers: dict[int, bytes] = {}
    with forwarded(kubectl, "echo", port) as local:

        def one(number: int) -> None:
            data = b"%02d" % number * 10_000
            answers[number] = ask(local, data, len(data) + 5)

        threads = [threading.Thread(target=one, args=(number,)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
    assert answers == {number: b"echo|" + b"%02d" % number * 10_000 for number in range(20)}


def test_much_data_both_ways(kubectl: Kubectl) -> None:
    port, data = echo(kubectl, "echo"), os.urandom(8_000_000)
    with forwarded(kubectl, "echo", port) as local, socket.create_connection(("127.0.0.1", local)) as client:
        writing = threading.Thread(target=client.sendall, args=(data,))
        writing.start()
        client.settimeout(PATIENCE)
        assert hear(client, 5) == b"echo|"
        digest, left = hashlib.sha256(), len(data)
        while left:
            piece = client.recv(min(left, 65536))
            assert piece, f"{left} bytes are missing"
            digest.update(piece)
            left -= len(piece)
        writing.join(PATIENCE)
    assert digest.digest() == hashlib.sha256(data).digest()


def test_a_client_that_breaks_its_connection_leaves_the_others_alone(kubectl: Kubectl) -> None:
    port = echo(kubectl, "echo")
    with forwarded(kubectl, "echo", port) as local:
        with socket.create_connection(("127.0.0.1", local)) as other:
            other.settimeout(PATIENCE)
            assert hear(other, 5) == b"echo|"
            for _ in range(3):
                with socket.create_connection(("127.0.0.1", local)) as client:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    client.sendall(b"x" * 100_000)
            other.sendall(b"still here")
            assert hear(other, 10) == b"still here"
        assert ask(local, b"new", 8) == b"echo|new"


def test_a_service_leads_to_its_pod(kubectl: Kubectl) -> None:
    port = echo(kubectl, "echo")
    kubectl("label", "pod", "echo", "app=echo")
    kubectl("create", "service", "clusterip", "echo", f"--tcp={port}:{port}")
    with forwarded(kubectl, "service/echo", port) as local:
        assert ask(local, b"hello", 10) == b"echo|hello"


def test_a_closed_port_is_told(kubectl: Kubectl) -> None:
    start(kubectl, sleeper())
    port = free_port()
    with running(kubectl.start("port-forward", "sleeper", f":{port}", "--address=127.0.0.1")) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        local = int(process.stdout.readline().split(":")[1].split()[0])
        with socket.create_connection(("127.0.0.1", local), timeout=PATIENCE) as client:
            assert client.recv(100) == b""
        deadline, text = time.monotonic() + PATIENCE, ""
        while "connection refused" not in text:
            assert time.monotonic() < deadline, text
            text += process.stderr.readline()
    assert f"error forwarding port {port} to pod " in text


def test_a_pod_that_does_not_run(kubectl: Kubectl) -> None:
    manifest = sleeper("waiting")
    manifest["spec"]["nodeSelector"] = {"no": "such-node"}
    kubectl("create", "-f", "-", stdin=manifest)
    answer = kubectl.try_("port-forward", "waiting", ":80")
    assert answer.code == 1
    assert "unable to forward port because pod is not running. Current status=Pending" in answer.err
