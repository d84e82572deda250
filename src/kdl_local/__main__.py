"""The cluster as a command: ``python -m kdl_local``. Runs in the foreground until SIGTERM, SIGINT or an error."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from kdl_local import daemon
from kdl_local.cluster import ClusterError, ClusterOptions, LocalCluster
from kdl_local.daemon import ClusterInfo, write_info
from kdl_local.node.fake import FakeNodeOptions
from kdl_local.node.isolation import MESSAGES
from kdl_local.node.launch import Isolation
from kdl_runtime.codec.quantity import parse_quantity


def resources(text: str) -> dict[str, str]:
    """``cpu=32,memory=256Gi`` as quantities by resource. ValueError names the part that is wrong."""
    found = {}
    for part in filter(None, text.split(",")):
        name, equals, quantity = part.partition("=")
        if not (name and equals):
            raise ValueError(f"{part!r}: write resources as in cpu=32,memory=256Gi")
        parse_quantity(quantity)
        found[name] = quantity
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m kdl_local", description="A Kubernetes cluster in one process.")
    parser.add_argument("--name", default=daemon.DEFAULT_NAME, help="name of the cluster (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port of the API server (default: a free one)")
    parser.add_argument("--kubeconfig", type=Path, help="a further place to write the kubeconfig to")
    parser.add_argument("--no-process-node", action="store_true", help="no node that runs pods")
    parser.add_argument(
        "--fake-nodes",
        type=int,
        default=0,
        help="nodes that run nothing; beside the process node only for pods that tolerate kdl.io/fake",
    )
    parser.add_argument("--fake-node-resources", type=resources, default={}, help="such as cpu=32,memory=256Gi")
    parser.add_argument("--resources", type=resources, default={}, help="to add to the process node")
    parser.add_argument("--ready-fd", type=int, help="descriptor to write one line of JSON to when ready")
    return parser


def _options(arguments: argparse.Namespace, lock: int) -> ClusterOptions:
    capacity = {**FakeNodeOptions().capacity, **arguments.fake_node_resources}
    process_node = not arguments.no_process_node
    return ClusterOptions(
        directory=daemon.directory(arguments.name),
        kubeconfig=arguments.kubeconfig,
        port=arguments.port,
        process_node=process_node,
        fake_nodes=FakeNodeOptions(count=arguments.fake_nodes, capacity=capacity, tainted=process_node),
        extra_capacity=arguments.resources,
        keep_open=(lock,),
        leftovers=(daemon.lock_path(arguments.name), daemon.log_path(arguments.name)),
    )


async def _run(arguments: argparse.Namespace, lock: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        if stop.is_set():
            # The guard ends what is left.
            os._exit(1)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    async with LocalCluster(_options(arguments, lock)) as cluster:
        info = _info(arguments.name, cluster)
        write_info(info, arguments.ready_fd)
        if arguments.ready_fd is None:
            print(f"The cluster is ready: export KUBECONFIG={info.kubeconfig}", flush=True)
            if info.warning:
                print(f"Warning: {info.warning}", flush=True)
        stopped, failed = loop.create_task(stop.wait()), loop.create_task(cluster.wait())
        done, pending = await asyncio.wait((stopped, failed), return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        if failed in done:
            failed.result()


def _info(name: str, cluster: LocalCluster) -> ClusterInfo:
    isolation = cluster.isolation
    return ClusterInfo(
        name=name,
        pid=os.getpid(),
        url=cluster.url,
        kubeconfig=str(cluster.options.kubeconfig or cluster.kubeconfig),
        directory=str(cluster.directory),
        log=str(daemon.log_path(name)),
        nodes=cluster.node_names,
        isolation=isolation.value if isolation else "",
        warning=MESSAGES[isolation] if isolation is Isolation.NONE else "",
    )


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        lock = daemon.acquire(arguments.name)
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    failed = True
    try:
        asyncio.run(_run(arguments, lock))
        failed = False
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
    finally:
        # The log of a cluster that failed is for whoever started it.
        daemon.release(arguments.name, lock, keep_log=failed)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
