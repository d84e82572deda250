"""Waiting for a job, by a watch: no question is asked twice."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from kdl_cli.durations import short_duration
from kdl_cli.errors import CliError, WaitTimeoutError
from kdl_cli.follow import DELETED, SYNCED, Target, follow
from kdl_cli.goals import Answer, Goal, judge
from kdl_cli.jobs import JobView, job_view
from kdl_cli.references import Found
from kdl_cli.session import Session
from kdl_runtime.client.client import DeleteOptions


async def states(session: Session, item: Found) -> AsyncGenerator[dict[str, Any], None]:
    """Each state of one object from now on; ends when it is gone. Another object of its name is not this one."""
    uid = item.object["metadata"]["uid"]
    present = False
    async with aclosing(follow(session, Target.one(item.resource, item.key))) as changes:
        async for change in changes:
            ours = change.object.get("metadata", {}).get("uid") == uid
            if ours and change.type != DELETED:
                present = True
                yield change.object
            elif ours or (change.type == SYNCED and not present):
                return


async def job_views(session: Session, job: Found) -> AsyncGenerator[JobView | None, None]:
    """Each state of one job; None, and the end, when it is gone."""
    async with aclosing(states(session, job)) as objects:
        async for obj in objects:
            yield job_view(job.resource, obj)
    yield None


async def wait_for(
    session: Session, job: Found, goal: Goal, timeout: float | None, show: Callable[[JobView], None]
) -> None:
    """Return when the goal is met. ``timeout`` in seconds, None waits for ever.

    CliError as soon as it cannot be met any more, WaitTimeoutError when the time is over.
    """
    last: JobView | None = None
    try:
        async with asyncio.timeout(timeout), aclosing(job_views(session, job)) as views:
            async for view in views:
                if view is not None:
                    last = view
                    show(view)
                verdict = judge(goal, view)
                if verdict.answer is Answer.MET:
                    return
                if verdict.answer is Answer.MISSED:
                    raise CliError(f"{job} will not be {goal}: {verdict.message}")
    except TimeoutError as error:
        state = last.state if last else "unknown"
        raise WaitTimeoutError(
            f"{job} is not {goal} after {short_duration(timeout or 0)} (it is {state}): "
            f"raise --timeout, or look at 'kdl describe {job.key.name}'"
        ) from error


async def delete_and_wait(session: Session, item: Found, options: DeleteOptions, timeout: float | None) -> None:
    """Delete one object and return when it is gone; ``timeout`` 0 does not wait, None waits for ever.

    WaitTimeoutError names the finalizers that hold it.
    """
    remains = await session.client.delete(item.resource, item.key, options)
    if remains is None or timeout == 0:
        return
    finalizers: list[str] = remains["metadata"].get("finalizers") or []
    try:
        async with asyncio.timeout(timeout), aclosing(states(session, item)) as objects:
            async for obj in objects:
                finalizers = obj["metadata"].get("finalizers") or []
    except TimeoutError as error:
        held = f", held by the finalizers {', '.join(finalizers)}" if finalizers else ""
        raise WaitTimeoutError(f"{item} is not gone after {short_duration(timeout or 0)}{held}") from error
