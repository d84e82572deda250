"""The other end of ``realcluster.control``: does what the commands ask for, one after the other."""

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from kdl_runtime.errors import KdlError
from kdl_testing.envtest.process import Process
from realcluster.components import Components, Target
from realcluster.control import Message, receive, send
from realcluster.errors import ClusterError
from realcluster.node import Node
from realcluster.plan import KUBELET

_NAMESPACES = ("mnt", "net", "uts", "pid", "ipc")


class Server:
    """``components`` and ``nodes`` are what the cluster consists of."""

    def __init__(self, components: Components, nodes: Sequence[Node]) -> None:
        self._components = components
        self._nodes = {node.name: node for node in nodes}
        self._verbs: Mapping[str, Callable[[Message], Message]] = {
            "status": lambda request: Message({"components": components.status()}),
            "kill": lambda request: self._each(request, lambda target, process: process.kill()),
            "stop": lambda request: self._each(request, lambda target, process: process.stop()),
            "start": lambda request: self._each(request, self._start),
            "logs": self._logs,
            "load": self._load,
            "enter": self._enter,
        }

    def run(self, listener: socket.socket) -> None:
        """Never returns."""
        while True:
            connection, _ = listener.accept()
            with connection:
                try:
                    self._serve(connection)
                except OSError:
                    # Whoever asked has gone.
                    continue

    def _serve(self, connection: socket.socket) -> None:
        request = receive(connection)
        if request is None:
            return
        try:
            answer = self.answer(request)
        finally:
            _close(request.files)
        try:
            send(connection, answer)
        finally:
            _close(answer.files)

    def answer(self, request: Message) -> Message:
        verb = self._verbs.get(str(request.body.get("verb")))
        if verb is None:
            return Message({"error": f"the cluster does not know {request.body.get('verb')!r}"})
        try:
            return verb(request)
        except KdlError as error:
            return Message({"error": str(error)})

    def _each(self, request: Message, act: Callable[[Target, Process], None]) -> Message:
        found = self._components.find(str(request.body.get("component")))
        for target, process in found:
            act(target, process)
        return Message({"done": [str(target) for target, _ in found]})

    def _start(self, target: Target, process: Process) -> None:
        if process.running:
            return
        if target.component == KUBELET:
            self._nodes[target.node].check_containerd()
        process.start()

    def _logs(self, request: Message) -> Message:
        found = self._components.find(str(request.body.get("component")))
        return Message({"logs": [str(process.program.log) for _, process in found]})

    def _load(self, request: Message) -> Message:
        with ThreadPoolExecutor() as executor:
            jobs = [
                executor.submit(node.import_images, file) for node in self._nodes.values() for file in request.files
            ]
        for job in jobs:
            job.result()
        return Message({"done": list(self._nodes)})

    def _enter(self, request: Message) -> Message:
        """The namespaces of a node, as open files in the order of ``kinds``."""
        node = self._nodes.get(str(request.body.get("node")))
        if node is None:
            raise ClusterError(f"there is no node {request.body.get('node')!r}: there are {', '.join(self._nodes)}")
        files = [os.open(f"/proc/{node.sandbox.pid}/ns/{kind}", os.O_RDONLY) for kind in _NAMESPACES]
        return Message({"kinds": list(_NAMESPACES), "path": node.path}, files)


def _close(files: Sequence[int]) -> None:
    for descriptor in files:
        os.close(descriptor)
