"""SIGTERM and SIGINT: the first begins the orderly end, the second ends the process at once."""

import asyncio
import os
import signal
from collections.abc import Callable

import structlog

from kdl_runtime.manager.manager import Manager

log = structlog.get_logger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)


async def run(manager: Manager, *, exit_process: Callable[[int], object] = os._exit) -> None:
    """``manager.start()`` under signal handlers, which are taken away again at its end.

    ``exit_process`` is called with 1 at the second signal. Needs the main thread.
    """
    loop = asyncio.get_running_loop()
    received = 0

    def on_signal(number: signal.Signals) -> None:
        nonlocal received
        received += 1
        if received > 1:
            log.warning("second signal: ending at once", signal=number.name)
            exit_process(1)
            return
        log.info("signal: stopping; send it again to end at once", signal=number.name)
        manager.stop()

    for number in SIGNALS:
        loop.add_signal_handler(number, on_signal, number)
    try:
        await manager.start()
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
