"""Streams as the official Python client opens them."""

import gc
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config
from kubernetes.client import ApiException
from kubernetes.stream import portforward, stream

from conformance.kubectl import Kubectl
from conformance.streams import PATIENCE, hear, sleeper, start
from conformance.test_streams_port_forward import echo, free_port

# The client leaves its sockets to the garbage collector.
pytestmark = [
    pytest.mark.node,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def core(kubeconfig: Path) -> Iterator[Any]:
    # The client replaces methods of the object that it streams through, so every call gets one of its own.
    load: Any = config.new_client_from_config

    def fresh() -> client.CoreV1Api:
        return client.CoreV1Api(load(str(kubeconfig)))

    yield fresh
    gc.collect()


def exec_(core: Any, namespace: str, *command: str, **options: Any) -> Any:
    streams = {"stdin": False, "stdout": True, "stderr": True, "tty": False, **options}
    method = core().connect_get_namespaced_pod_exec
    return stream(method, "sleeper", namespace, command=list(command), **streams)


def test_output_of_a_command(kubectl: Kubectl, core: Any) -> None:
    start(kubectl, sleeper())
    assert exec_(core, kubectl.namespace, "sh", "-c", "echo out; echo two words") == "out\ntwo words\n"
    much = exec_(core, kubectl.namespace, "python3", "-c", "print('x' * 1_000_000)")
    assert much == "x" * 1_000_000 + "\n"


def test_exit_code_and_errors(kubectl: Kubectl, core: Any) -> None:
    start(kubectl, sleeper())
    script = "echo out; echo err >&2; exit 3"
    session = exec_(core, kubectl.namespace, "sh", "-c", script, _preload_content=False)
    session.run_forever(timeout=PATIENCE)
    assert (session.returncode, session.read_stdout(), session.read_stderr()) == (3, "out\n", "err\n")


def test_a_dialogue(kubectl: Kubectl, core: Any) -> None:
    start(kubectl, sleeper())
    session = exec_(core, kubectl.namespace, "sh", stdin=True, _preload_content=False)
    session.write_stdin("echo first $((1+1))\n")
    assert session.readline_stdout(timeout=PATIENCE) == "first 2"
    session.write_stdin("echo second >&2\n")
    assert session.readline_stderr(timeout=PATIENCE) == "second"
    session.write_stdin("exit 4\n")
    session.run_forever(timeout=PATIENCE)
    assert session.returncode == 4
    session.close()


def test_the_end_of_input(kubectl: Kubectl, core: Any) -> None:
    start(kubectl, sleeper())
    session = exec_(core, kubectl.namespace, "wc", "-c", stdin=True, binary=True, _preload_content=False)
    if session.subprotocol != "v5.channel.k8s.io":
        pytest.skip("this client asks for a protocol that cannot tell the end of input")
    session.write_stdin(b"\x00\xff" * 50_000)
    session.close_channel(0)
    session.run_forever(timeout=PATIENCE)
    assert (session.returncode, session.read_stdout().strip()) == (0, b"100000")


def test_a_pod_that_is_not_there(kubectl: Kubectl, core: Any) -> None:
    with pytest.raises(ApiException) as error:
        exec_(core, kubectl.namespace, "true")
    assert "404" in str(error.value)


def test_a_forwarded_port(kubectl: Kubectl, core: Any) -> None:
    port = echo(kubectl, "echo")
    forward = portforward(core().connect_get_namespaced_pod_portforward, "echo", kubectl.namespace, ports=str(port))
    with closing(forward.socket(port)) as found:
        found.settimeout(PATIENCE)
        assert hear(found, 5) == b"echo|"
        for text in (b"hello", b"x" * 1000):
            found.sendall(text)
            assert hear(found, len(text)) == text
    assert forward.error(port) is None


def test_a_closed_port(kubectl: Kubectl, core: Any) -> None:
    start(kubectl, sleeper())
    port = free_port()
    forward = portforward(core().connect_get_namespaced_pod_portforward, "sleeper", kubectl.namespace, ports=str(port))
    with closing(forward.socket(port)) as found:
        found.settimeout(PATIENCE)
        assert _rest(found) == b""
    assert "connection refused" in str(forward.error(port))


def _rest(found: socket.socket) -> bytes:
    data = b""
    while piece := found.recv(65536):
        data += piece
    return data
