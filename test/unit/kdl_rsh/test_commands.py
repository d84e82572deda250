"""Which pods the agent enters, and what it makes of the end of a command."""

import asyncio

import pytest

from kdl_rsh.commands import CommandError, CommandOptions, PodCommands, Streams, exit_code, may_enter
from kdl_runtime.clock import SystemClock
from kdl_runtime.transport.config import ClusterConfig


@pytest.mark.parametrize("pod", ["job-worker-0", "job-worker-12"])
def test_workers_of_the_job(pod: str) -> None:
    assert may_enter(pod, "job-worker-")


@pytest.mark.parametrize(
    "pod",
    [
        "other-worker-0",
        "job-worker-",
        "job-worker-0-x",
        "job-worker-0/../../other/pods/x",
        "../../other/pods/job-worker-0",
        "job-launcher",
        "job-worker-٣",
        "0",
        "",
    ],
)
async def test_no_others(pod: str) -> None:
    async with PodCommands(
        ClusterConfig("https://nowhere.invalid"), SystemClock(), CommandOptions("job-worker-")
    ) as of:
        streams = Streams(asyncio.StreamReader(), Sink(), Sink())
        with pytest.raises(CommandError, match="no command is run in it"):
            await of.run(pod, "true", streams)
    assert not may_enter(pod, "")


class Sink:
    async def write(self, data: bytes) -> None:
        raise AssertionError(data)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (b'{"status":"Success"}', 0),
        (b'{"status":"Failure","details":{"causes":[{"reason":"ExitCode","message":"7"}]}}', 7),
    ],
)
def test_exit_codes(status: bytes, code: int) -> None:
    assert exit_code(status) == code


@pytest.mark.parametrize("status", [b'{"status":"Failure","message":"no such program"}', b'{"status":"Failure"}'])
def test_a_command_that_could_not_be_started(status: bytes) -> None:
    with pytest.raises(CommandError, match=r"no such program|could not be run"):
        exit_code(status)
