"""Waiting for what must become true."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

from kdl_runtime.errors import ApiError, TransportError

T = TypeVar("T")


@overload
async def eventually(check: Callable[[], Awaitable[T]], *, within: float = 10.0, every: float = 0.05) -> T: ...
@overload
async def eventually(check: Callable[[], T], *, within: float = 10.0, every: float = 0.05) -> T: ...
async def eventually(check: Callable[[], Any], *, within: float = 10.0, every: float = 0.05) -> T:
    """Calls ``check``, which may be a coroutine function, until it neither raises nor returns False or None, and
    returns what it has returned then.

    AssertionError after ``within`` seconds, with what was wrong last. What it may raise meanwhile is AssertionError,
    LookupError, and errors of the API and of connections; everything else is raised at once. Between two calls are
    ``every`` seconds. On virtual time both are virtual seconds.
    """
    loop = asyncio.get_running_loop()
    begin = loop.time()
    tried = 0
    while True:
        tried += 1
        try:
            found = check()
            value: T = await found if inspect.isawaitable(found) else found
            if value is not None and value is not False:
                return value
            last = f"it returned {value}"
        except (AssertionError, LookupError, ApiError, TransportError) as error:
            last = f"{type(error).__name__}: {error}"
        if loop.time() - begin >= within:
            name = getattr(check, "__qualname__", repr(check))
            raise AssertionError(f"{name} did not hold within {within:g} s ({tried} attempts); at last {last}")
        await asyncio.sleep(every)
