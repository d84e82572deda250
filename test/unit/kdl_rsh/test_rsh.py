"""Script and agent together: what comes out is what the command did."""

import asyncio
import signal
from typing import Any

import pytest

from kdl_testing.eventually import eventually


async def test_output_errors_and_exit_code(exchange: Any) -> None:
    async with exchange.agent():
        ended = await exchange.call("worker-0", "echo", "out;", "echo err >&2;", "exit 7")
    assert (ended.code, ended.out, ended.err) == (7, b"out\n", b"err\n")
    assert exchange.commands.asked == [("worker-0", "echo out; echo err >&2; exit 7")]
    assert exchange.left == []


async def test_input_and_its_end(exchange: Any) -> None:
    async with exchange.agent():
        ended = await exchange.call("worker-0", "cat", stdin=b"some\ninput")
    assert (ended.code, ended.out) == (0, b"some\ninput")


async def test_much_data_both_ways(exchange: Any) -> None:
    data = bytes(range(256)) * 8192
    async with exchange.agent():
        ended = await exchange.call("worker-0", "cat", stdin=data)
    assert ended.out == data


async def test_many_at_once(exchange: Any) -> None:
    async with exchange.agent():
        ends = await asyncio.gather(
            *(exchange.call(f"worker-{n}", f"sleep 0.2; echo {n}; exit {n}") for n in range(20))
        )
    assert [(ended.code, ended.out) for ended in ends] == [(n, f"{n}\n".encode()) for n in range(20)]
    assert exchange.left == []


@pytest.mark.parametrize("options", [("-x",), ("-l", "somebody"), ("-x", "-o", "StrictHostKeyChecking=no", "-n")])
async def test_options_of_other_remote_shells_are_left_out(exchange: Any, options: tuple[str, ...]) -> None:
    async with exchange.agent():
        assert (await exchange.call(*options, "worker-1", "true")).code == 0
    assert exchange.commands.asked == [("worker-1", "true")]


@pytest.mark.parametrize("arguments", [(), ("worker-0",), ("-x",)])
async def test_a_call_without_a_command_is_refused(exchange: Any, arguments: tuple[str, ...]) -> None:
    ended = await exchange.call(*arguments)
    assert ended.code == 255
    assert b"usage: " in ended.err
    assert exchange.left == []


async def test_a_pod_that_is_not_there_is_told(exchange: Any) -> None:
    async with exchange.agent():
        ended = await exchange.call("nobody", "true")
    assert ended.code == 255
    assert b"pod nobody does not exist" in ended.err


async def test_a_call_from_before_the_agent_began_is_answered(exchange: Any) -> None:
    process = await exchange.start("worker-0", "echo late")
    await eventually(lambda: any(name.startswith("call.") for name in exchange.left))
    async with exchange.agent():
        out, _ = await process.communicate(b"")
    assert (process.returncode, out) == (0, b"late\n")


async def test_an_agent_that_dies_ends_the_call_and_the_next_does_not_repeat_it(exchange: Any) -> None:
    async with exchange.agent():
        process = await exchange.start("worker-0", "echo begun; sleep 60")
        assert await process.stdout.readline() == b"begun\n"
    async with asyncio.timeout(10):
        _, err = await process.communicate()
    assert process.returncode == 255
    assert b"the agent has not come to the end of the command" in err
    async with exchange.agent():
        assert (await exchange.call("worker-0", "echo again")).out == b"again\n"
    assert len(exchange.commands.asked) == 2


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
async def test_a_script_that_is_killed_ends_its_command(exchange: Any, number: signal.Signals, code: int) -> None:
    async with exchange.agent():
        process = await exchange.start("worker-0", "echo begun; sleep 60")
        assert await process.stdout.readline() == b"begun\n"
        process.send_signal(number)
        async with asyncio.timeout(10):
            await process.communicate()
        await eventually(lambda: exchange.commands.ended == ["worker-0"])
    assert process.returncode == code
    assert exchange.left == []
