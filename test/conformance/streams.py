"""Pods to run commands in, and kubectl as it streams: with terminals, and in the background."""

import fcntl
import os
import pty
import re
import signal
import socket
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from conformance.kubectl import Kubectl

IMAGE = "kdl/python:1"
START_TIMEOUT = "60s"
PATIENCE = 30.0


def pod(name: str, *command: str, **container: Any) -> dict[str, Any]:
    """A pod of one container ``main``. Only what the image has may be run in it: python3, sh, cat, sleep and such."""
    fixed = {"name": "main", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": list(command)}
    spec = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [{**fixed, **container}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def sleeper(name: str = "sleeper", **container: Any) -> dict[str, Any]:
    return pod(name, "sleep", "1000", **container)


def start(kubectl: Kubectl, manifest: dict[str, Any]) -> str:
    """Creates a pod and waits until it is ready; its name."""
    name = str(manifest["metadata"]["name"])
    kubectl("create", "-f", "-", stdin=manifest)
    kubectl("wait", f"pod/{name}", "--for=condition=Ready", f"--timeout={START_TIMEOUT}")
    return name


class Terminal:
    """A command in a terminal of 33 rows and 101 columns, as a user sits at it."""

    def __init__(self, argv: list[str]) -> None:
        outer, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 101, 0, 0))
        self._outer = outer
        self._process = subprocess.Popen(argv, stdin=inner, stdout=inner, stderr=inner, start_new_session=True)
        os.close(inner)
        self.seen = ""

    def type(self, text: str) -> None:
        os.write(self._outer, text.encode())

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._outer, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        # It is not the terminal of the command's session, so the kernel does not tell it.
        self._process.send_signal(signal.SIGWINCH)

    def until(self, pattern: str) -> "re.Match[str]":
        """Waits until something on the screen matches; what was looked for before is passed over."""
        os.set_blocking(self._outer, False)
        deadline = time.monotonic() + PATIENCE
        while True:
            match = re.search(pattern, self.seen)
            if match is not None:
                self.seen = self.seen[match.end() :]
                return match
            assert time.monotonic() < deadline, f"no {pattern!r} in {self.seen!r}"
            with suppress(BlockingIOError):
                self.seen += os.read(self._outer, 65536).decode()
            time.sleep(0.01)

    def wait(self) -> int:
        """The exit code. Reads on meanwhile, for a command that cannot write does not end."""
        deadline = time.monotonic() + PATIENCE
        while self._process.poll() is None:
            assert time.monotonic() < deadline, f"does not end: {self.seen!r}"
            with suppress(OSError):
                self.seen += os.read(self._outer, 65536).decode()
            time.sleep(0.01)
        return self._process.returncode

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._outer)


@contextmanager
def terminal(argv: list[str]) -> Iterator[Terminal]:
    found = Terminal(argv)
    try:
        yield found
    finally:
        found.close()


@contextmanager
def running(process: "subprocess.Popen[str]") -> Iterator["subprocess.Popen[str]"]:
    """A command that is ended in the end."""
    with process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def forwarded(kubectl: Kubectl, name: str, port: int) -> Iterator[int]:
    """The local port that leads to a port of the pod."""
    with running(kubectl.start("port-forward", name, f":{port}", "--address=127.0.0.1")) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        match = re.match(rf"Forwarding from 127\.0\.0\.1:(\d+) -> {port}$", line)
        assert match is not None, line + (process.stderr.read() if process.stderr and not line else "")
        yield int(match[1])


def ask(port: int, data: bytes, size: int) -> bytes:
    """So many bytes of the answer to this. The client keeps its side open: a container runtime may end a forwarded
    connection as soon as one side is closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
        client.sendall(data)
        return hear(client, size)


def hear(client: Any, size: int) -> bytes:
    """So many bytes of what comes from a socket, less if it ends before."""
    found = b""
    while len(found) < size and (piece := client.recv(size - len(found))):
        found += piece
    return found
