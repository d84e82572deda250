"""What all pods of one process node share."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kdl_local.apiserver.direct import Direct
from kdl_local.node.addresses import AddressPool
from kdl_local.node.claims import Claims
from kdl_local.node.environment import Sources
from kdl_local.node.images import Images
from kdl_local.node.launch import Isolation
from kdl_local.node.names import NameTable, host_entries
from kdl_local.recorder import Recorder
from kdl_local.resources import CONFIG_MAPS, SECRETS
from kdl_runtime.backoff import BackoffPolicy
from kdl_runtime.clock import Clock

Object = Mapping[str, Any]

HOST_ADDRESS = "127.0.0.1"
CRASH_LOOP = BackoffPolicy(base=1.0, factor=2.0, cap=300.0, jitter=0.0, reset_after=600.0)


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds. ``crash_loop``: pauses between restarts of a container; a real kubelet's base is 10. ``retry``: until
    something that is missing (a ConfigMap, a volume's source) is looked for again."""

    crash_loop: BackoffPolicy = CRASH_LOOP
    retry: float = 1.0


@dataclass(slots=True)
class NodeContext:
    """``directory`` holds one directory per pod, named by its UID. ``marks`` are variables that every process of the
    node has, so that none is ever lost (``kdl_local.guard``). ``server_env`` tells pods where the API server is."""

    name: str
    direct: Direct
    clock: Clock
    recorder: Recorder
    directory: Path
    isolation: Isolation
    images: Images
    claims: Claims
    capacity: Mapping[str, str]
    timings: Timings = field(default_factory=Timings)
    marks: Mapping[str, str] = field(default_factory=dict)
    server_env: Mapping[str, str] = field(default_factory=dict)
    addresses: AddressPool = field(default_factory=AddressPool)
    names: NameTable = field(default_factory=NameTable)
    host_lines: tuple[str, ...] = field(default_factory=lambda: _host_lines())
    pid: int = field(default_factory=os.getpid)

    def sources(self, pod: Object, pod_ip: str) -> Sources:
        namespace = pod["metadata"]["namespace"]
        return Sources(
            pod=pod,
            config_map=lambda name: self.direct.find(CONFIG_MAPS, namespace, name),
            secret=lambda name: self.direct.find(SECRETS, namespace, name),
            host_ip=HOST_ADDRESS,
            pod_ip=pod_ip,
            node_capacity=self.capacity,
        )


def _host_lines() -> tuple[str, ...]:
    path = Path("/etc/hosts")
    return tuple(host_entries(path.read_text(encoding="utf-8", errors="replace"))) if path.exists() else ()
