"""Exec, attach and port-forward on the pods of a process node."""

import os
from collections.abc import Callable, Mapping
from typing import Any

from kdl_local.apiserver.streams.provider import CommandOptions, Connection, Session, StreamError
from kdl_local.node.connection import connect
from kdl_local.node.container_runner import ContainerRunner
from kdl_local.node.context import HOST_ADDRESS
from kdl_local.node.pod_worker import PodWorker

Object = Mapping[str, Any]


class NodeStreams:
    """A ``StreamProvider``. ``find`` gives the worker of a pod, None for one that is not on the node."""

    def __init__(self, find: Callable[[Object], PodWorker | None]) -> None:
        self._find = find

    async def exec(self, pod: Object, options: CommandOptions) -> Session:
        runner = self._runner(pod, options)
        if runner is None or not runner.container.running:
            raise StreamError(f'unable to upgrade connection: container not found ("{options.container}")')
        return await runner.exec(options)

    async def attach(self, pod: Object, options: CommandOptions) -> Session:
        runner = self._runner(pod, options)
        if runner is None or not runner.container.running:
            full_name = f"{pod['metadata']['name']}_{pod['metadata']['namespace']}"
            raise StreamError(
                f"unable to upgrade connection: container {options.container} not found in pod {full_name}"
            )
        return runner.attach(options)

    async def connect(self, pod: Object, port: int) -> Connection:
        """To the address of the pod, and else to the loopback address of the machine: what listens there may well be
        the pod's, for in a real pod it would be."""
        worker, metadata = self._find(pod), pod["metadata"]
        prefix = f"error forwarding port {port} to pod {metadata['name']}, uid {metadata['uid']}: "
        if worker is None or not worker.address:
            raise StreamError(f"{prefix}the pod does not run")
        addresses = dict.fromkeys((worker.address, HOST_ADDRESS))
        try:
            return await connect(tuple(addresses), port)
        except OSError as error:
            reason = os.strerror(error.errno).lower() if error.errno else "timed out"
            raise StreamError(f"{prefix}dial tcp4 {worker.address}:{port}: connect: {reason}") from None

    def _runner(self, pod: Object, options: CommandOptions) -> ContainerRunner | None:
        worker = self._find(pod)
        return worker.runner(options.container) if worker else None
