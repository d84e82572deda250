"""Tasks that somebody owns."""

import asyncio
from typing import Any


async def cancelled(*tasks: "asyncio.Future[Any]") -> None:
    """Ends tasks and waits for their end, whatever that was: for clearing up, where the outcome is known already."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
