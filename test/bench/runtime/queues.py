"""Operations of work queues per CPU second: ours, and what loops of one's own are built on. Prints JSON."""

import argparse
import asyncio
import json
import queue
from collections.abc import Awaitable, Callable

from bench.runtime.usage import cpu_seconds
from kdl_runtime.clock import SystemClock
from kdl_runtime.queue.priority import PriorityQueue
from kdl_runtime.types import ObjectKey

KEYS = 10_000
ROUNDS = 5

Keys = list[ObjectKey]


def ours() -> PriorityQueue[ObjectKey]:
    return PriorityQueue("bench", SystemClock())


async def through_ours(keys: Keys) -> None:
    """Each key is added, handed out and done."""
    work = ours()
    for _ in range(ROUNDS):
        for key in keys:
            work.add(key)
        for _ in range(len(keys)):
            item = await work.get()
            assert item is not None
            work.forget(item.key)
            work.done(item.key)


async def again_to_ours(keys: Keys) -> None:
    """Keys are added that are in the queue already."""
    work = ours()
    for _ in range(ROUNDS):
        for key in keys:
            work.add(key)


async def later_to_ours(keys: Keys) -> None:
    """Each key is added with a delay, as for another look."""
    for _ in range(ROUNDS):
        work = ours()
        for key in keys:
            work.add(key, 0, 60.0)
        work.shutdown()


async def through_asyncio(keys: Keys) -> None:
    """``asyncio.Queue``: no key is held once only, none has a priority, a delay or a measure."""
    work: asyncio.Queue[ObjectKey] = asyncio.Queue()
    for _ in range(ROUNDS):
        for key in keys:
            work.put_nowait(key)
        for _ in range(len(keys)):
            await work.get()
            work.task_done()


async def through_threads(keys: Keys) -> None:
    """``queue.SimpleQueue``, which is written in C, in one thread."""
    work: queue.SimpleQueue[ObjectKey] = queue.SimpleQueue()
    for _ in range(ROUNDS):
        for key in keys:
            work.put(key)
        for _ in range(len(keys)):
            work.get()


WAYS: dict[str, Callable[[Keys], Awaitable[None]]] = {
    "through": through_ours,
    "again": again_to_ours,
    "later": later_to_ours,
    "asyncio": through_asyncio,
    "threads": through_threads,
}


async def measure(count: int) -> dict[str, float]:
    """By way, how many keys went it in a CPU second."""
    found = {}
    keys = [ObjectKey(f"team-{number % 20:02}", f"train-{number:05}") for number in range(count)]
    for name, way in WAYS.items():
        before = cpu_seconds()
        await way(keys)
        found[name] = count * ROUNDS / (cpu_seconds() - before)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=KEYS)
    print(json.dumps(asyncio.run(measure(parser.parse_args().keys))))
