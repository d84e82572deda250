"""Many requests at once, but not too many, and not many that will all be refused."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

MAX_IN_FLIGHT = 64
"""Requests of one pass that are under way at the same time, at the most."""


async def slow_start(
    items: Sequence[T], act: Callable[[T], Awaitable[R]], goes_on: Callable[[R], bool]
) -> list[tuple[T, R]]:
    """Acts on 1 item, then 2, 4, 8, … at once, as long as all of a batch went well: a request that is always refused
    (quota, admission) is sent once and not ten thousand times.

    The results so far, in order; fewer than items after one for which ``goes_on`` is false. The first error is raised
    once its batch has ended.
    """
    done: list[tuple[T, R]] = []
    size = 1
    while len(done) < len(items):
        batch = items[len(done) : len(done) + size]
        results = await _together(batch, act)
        done += zip(batch, results, strict=True)
        if not all(map(goes_on, results)):
            break
        size = min(size * 2, MAX_IN_FLIGHT)
    return done


async def in_parallel(items: Sequence[T], act: Callable[[T], Awaitable[R]]) -> list[R]:
    """Acts on all items, ``MAX_IN_FLIGHT`` at a time. The first error is raised once its batch has ended."""
    results: list[R] = []
    for start in range(0, len(items), MAX_IN_FLIGHT):
        results += await _together(items[start : start + MAX_IN_FLIGHT], act)
    return results


async def _together(items: Sequence[T], act: Callable[[T], Awaitable[R]]) -> list[R]:
    if len(items) == 1:
        return [await act(items[0])]
    outcomes = await asyncio.gather(*map(act, items), return_exceptions=True)
    results: list[R] = []
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
        results.append(outcome)
    return results
