"""How long, how much CPU and how many requests the operator takes for many jobs on a local cluster with fake nodes.

Cluster and operator are processes of their own, so that the figures of the operator are its own. Nothing is asserted:
times differ between machines; compare runs on one.
"""

import argparse
import asyncio
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from kdl_runtime.client.client import Client, ListOptions, WatchOptions
from kdl_runtime.clock import SystemClock
from kdl_runtime.codec.json import ListMeta, decode
from kdl_runtime.transport.http import HttpTransport
from kdl_runtime.transport.kubeconfig import load_config
from kdl_runtime.types import Resource

JOBS = Resource("training.kubedl.io", "v1alpha1", "PyTorchJob", "pytorchjobs")
KDL = str(Path(sys.executable).parent / "kdl")
CREATES_AT_ONCE = 16
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """Of one process, from its start: CPU in seconds, largest resident memory in MiB."""

    cpu: float
    memory: float

    @classmethod
    def of(cls, pid: int) -> "Usage":
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        peak = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        return cls((int(fields[11]) + int(fields[12])) / CLOCK_TICKS, int(peak[1]) / 1024 if peak else 0.0)


@dataclass(frozen=True)
class Rig:
    kubeconfig: Path
    operator: int
    metrics_port: int

    def requests(self) -> dict[str, int]:
        """Requests of the operator so far by method."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        found: dict[str, int] = {}
        for labels, value in re.findall(r"^rest_client_requests_total\{(.*)\} (\S+)$", text, re.MULTILINE):
            method = re.search(r'method="(\w+)"', labels)
            if method:
                found[method[1]] = found.get(method[1], 0) + int(float(value))
        return found


def manifest(name: str, workers: int, seconds: float) -> dict[str, Any]:
    template = {
        "metadata": {"annotations": {"kdl.io/fake-run-seconds": str(seconds)}},
        "spec": {
            "containers": [{"name": "pytorch", "image": "none", "resources": {"requests": {"cpu": "100m"}}}],
            "nodeSelector": {"type": "fake"},
            "tolerations": [{"key": "kdl.io/fake", "operator": "Exists"}],
        },
    }
    specs = {"Master": {"replicas": 1, "template": template}, "Worker": {"replicas": workers, "template": template}}
    return {
        "apiVersion": JOBS.api_version,
        "kind": JOBS.kind,
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"cleanPodPolicy": "None", "pytorchReplicaSpecs": specs},
    }


@contextmanager
def rig(nodes: int) -> Iterator[Rig]:
    """A local cluster with our CRDs, and an operator on it."""
    folder = Path(tempfile.mkdtemp(prefix="kdl-bench-"))
    kubeconfig, name = folder / "kubeconfig", f"bench-{os.getpid()}"
    port = free_port()
    subprocess.run(
        [KDL, "local", "up", "--name", name, "--kubeconfig", kubeconfig, "--fake-nodes", str(nodes)], check=True
    )
    try:
        subprocess.run([KDL, "crds", "--install", "--kubeconfig", kubeconfig], check=True)
        with (folder / "operator.log").open("wb") as log:
            argv = [KDL, "operator", "--kubeconfig", str(kubeconfig), "--metrics-bind-address", f"127.0.0.1:{port}"]
            operator = subprocess.Popen([*argv, "--health-probe-bind-address", "0"], stderr=log, stdout=log)
        try:
            rig_ = Rig(kubeconfig, operator.pid, port)
            unreachable = retry_if_exception_type(OSError)
            for attempt in Retrying(stop=stop_after_delay(30), wait=wait_fixed(0.1), retry=unreachable):
                with attempt:
                    rig_.requests()
            yield rig_
        finally:
            operator.terminate()
            operator.wait(timeout=60)
    finally:
        subprocess.run([KDL, "local", "down", "--name", name], check=True)
        shutil.rmtree(folder)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


async def submit(client: Client, count: int, workers: int, seconds: float) -> None:
    gate = asyncio.Semaphore(CREATES_AT_ONCE)

    async def create(index: int) -> None:
        async with gate:
            await client.create(JOBS, manifest(f"bench-{index:05}", workers, seconds))

    async with asyncio.TaskGroup() as group:
        for index in range(count):
            group.create_task(create(index))


async def wait_for(client: Client, since: ListMeta, count: int, progress: Progress) -> None:
    """Until that many jobs have succeeded."""
    bar = progress.add_task("jobs that have succeeded", total=count)
    done: set[str] = set()
    options = WatchOptions(resource_version=since.resource_version, allow_bookmarks=True)
    async with client.watch(JOBS, "default", options) as events:
        async for event in events:
            job = decode(event.object)
            conditions = (job.get("status") or {}).get("conditions") or ()
            if any(c["type"] == "Succeeded" and c["status"] == "True" for c in conditions):
                done.add(job["metadata"]["name"])
                progress.update(bar, completed=len(done))
            if len(done) == count:
                return
    raise RuntimeError("the watch on the jobs ended early")


async def measure(rig_: Rig, jobs: int, workers: int, seconds: float) -> float:
    """Seconds from the first create to the last success."""
    clock = SystemClock()
    transport = HttpTransport(load_config(str(rig_.kubeconfig)), clock)
    client = Client(transport, clock)
    try:
        since = (await client.list_page(JOBS, "default", ListOptions())).metadata
        with Progress(console=Console(stderr=True)) as progress:
            started = time.monotonic()
            async with asyncio.TaskGroup() as group:
                group.create_task(wait_for(client, since, jobs, progress))
                group.create_task(submit(client, jobs, workers, seconds))
            return time.monotonic() - started
    finally:
        await transport.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--pods", type=int, default=3, help="pods of each job")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long each fake pod runs")
    parser.add_argument("--nodes", type=int, default=20)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with rig(options.nodes) as rig_:
        took = asyncio.run(measure(rig_, options.jobs, options.pods - 1, options.seconds))
        usage, requests = Usage.of(rig_.operator), rig_.requests()
    report(options, took, usage, requests)


def report(options: argparse.Namespace, took: float, usage: Usage, requests: dict[str, int]) -> None:
    table = Table("figure", "value", title=f"{options.jobs} jobs of {options.pods} fake pods, {options.seconds} s each")
    table.add_row("first create to last success", f"{took:.1f} s ({options.jobs / took:.1f} jobs/s)")
    table.add_row("operator: CPU", f"{usage.cpu:.1f} s ({1000 * usage.cpu / options.jobs:.0f} ms per job)")
    table.add_row("operator: largest memory", f"{usage.memory:.0f} MiB")
    for method, count in sorted(requests.items()):
        table.add_row(f"requests: {method}", f"{count} ({count / options.jobs:.1f} per job)")
    table.add_row("requests: all", f"{sum(requests.values())} ({sum(requests.values()) / options.jobs:.1f} per job)")
    Console().print(table)


if __name__ == "__main__":
    main()
