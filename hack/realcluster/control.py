"""How commands reach a running cluster: lines of JSON over a socket in its directory.

A request may come with open files, and an answer too. An answer has ``error`` or what was asked for.
"""

import json
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from realcluster.errors import ClusterError
from realcluster.layout import Layout

_MOST_FILES = 8
_MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Message:
    body: Mapping[str, Any]
    files: Sequence[int] = ()


def listen(layout: Layout) -> socket.socket:
    server = socket.socket(socket.AF_UNIX)
    with _directory(layout) as path:
        (path / layout.socket_name).unlink(missing_ok=True)
        server.bind(str(path / layout.socket_name))
    server.listen()
    return server


def ask(layout: Layout, body: Mapping[str, Any], files: Sequence[int] = ()) -> Message:
    """The answer. ClusterError if the cluster does not run, or refuses. The files of the answer are the caller's."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            with _directory(layout) as path:
                client.connect(str(path / layout.socket_name))
        except OSError as error:
            raise ClusterError(
                f"no cluster named {layout.name} runs: start it with 'hack/cluster up --name {layout.name}'"
            ) from error
        try:
            send(client, Message(body, files))
            answer = receive(client)
        except OSError as error:
            raise ClusterError(f"the cluster {layout.name} has ended: {error}") from error
    if answer is None:
        raise ClusterError(f"the cluster {layout.name} has ended. Its log: {layout.supervisor_log}")
    if "error" in answer.body:
        raise ClusterError(str(answer.body["error"]))
    return answer


def send(connection: socket.socket, message: Message) -> None:
    data = json.dumps(message.body).encode() + b"\n"
    sent = socket.send_fds(connection, [data], list(message.files)) if message.files else 0
    # The other side may have closed when it had everything: even sending nothing fails then.
    if rest := data[sent:]:
        connection.sendall(rest)


def receive(connection: socket.socket) -> Message | None:
    """None if the other side has closed."""
    data = b""
    files: list[int] = []
    while not data.endswith(b"\n"):
        part, more, _, _ = socket.recv_fds(connection, _MOST_BYTES, _MOST_FILES)
        files += more
        if not part:
            for descriptor in files:
                os.close(descriptor)
            return None
        data += part
    return Message(json.loads(data), files)


@contextmanager
def _directory(layout: Layout) -> Iterator[Path]:
    """A short path of the cluster's directory, whose own may be longer than those of sockets can be."""
    descriptor = os.open(layout.directory, os.O_PATH)
    try:
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
