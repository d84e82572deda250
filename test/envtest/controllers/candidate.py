"""A process that wants to lead, for tests of the hand-over: candidate.py KUBECONFIG NAMESPACE IDENTITY LEASE_SECONDS

Writes a line of JSON for each thing that happens: what, and when on the monotonic clock, which all processes of a
machine share. While it leads it works ten times in a second.
"""

import asyncio
import json
import sys
import time

from kdl_runtime import Client, ElectionOptions, Manager, ManagerOptions
from kdl_runtime.clock import SystemClock
from kdl_runtime.leader.thread import ElectionThread, elector_of
from kdl_runtime.manager.signals import run
from kdl_runtime.observe.logging import configure
from kdl_runtime.transport.http import HttpTransport
from kdl_runtime.transport.kubeconfig import load_config

LEASE = "handed-over"
OPTIONS = ManagerOptions(metrics_bind_address="0", health_probe_bind_address="0")


def election(namespace: str, identity: str, lease: float) -> ElectionOptions:
    """The proportions are those of the defaults: 15, 10 and 2 seconds."""
    return ElectionOptions(
        namespace,
        LEASE,
        identity,
        lease_duration=lease,
        renew_deadline=lease * 10 / 15,
        retry_period=lease * 2 / 15,
    )


def tell(what: str) -> None:
    print(json.dumps({"what": what, "at": time.monotonic()}), flush=True)


class Work:
    """What only a leader may do."""

    name = "work"

    def __init__(self) -> None:
        self._over = asyncio.Event()

    async def run(self) -> None:
        tell("leads")
        while not self._over.is_set():
            tell("works")
            await asyncio.sleep(0.1)
        tell("ends")

    def shutdown(self) -> None:
        self._over.set()


async def main(kubeconfig: str, namespace: str, identity: str, lease: float) -> None:
    config = load_config(kubeconfig)
    async with HttpTransport(config, SystemClock()) as transport:
        elector = elector_of(config, election(namespace, identity, lease))
        manager = Manager(Client(transport, SystemClock()), OPTIONS, election=ElectionThread(LEASE, elector))
        manager.add(Work())
        tell("starts")
        await run(manager)
    tell("exits")


if __name__ == "__main__":
    configure()  # Logs go to standard error, and nothing but what is told to standard output.
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])))
