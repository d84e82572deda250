"""Clients that are attached to the first process of a container."""

import asyncio
from typing import Any

import pytest

from kdl_local.apiserver.streams.channels import STDERR, STDOUT, TerminalSize
from kdl_local.apiserver.streams.provider import CommandOptions, StreamError
from kdl_local.apiserver.streams.queues import LIMIT
from unit.kdl_local.node.rig import NodeRig
from unit.kdl_local.node.sessions import TERMINAL, attach, everything, says

STDIN = {"stdin": True}


async def talker(rig: NodeRig, script: str, **container: Any) -> None:
    rig.pod("p", "sh", "-c", script, container=container)
    await rig.phase("p", "Running")


async def test_output_from_now_on(rig: NodeRig) -> None:
    await talker(rig, "echo before; read line; echo after; echo error >&2; exit 3", stdin=True)
    await rig.said("p", "before")
    async with attach(rig) as session:
        await session.write(b"go\n")
        out, errors = await asyncio.gather(everything(session), everything(session, STDERR))
        assert (out, errors, await session.wait()) == ("after\n", "error\n", 0)
    assert await rig.log("p") == "before\nafter\nerror\n"
    assert (await rig.phase("p"), rig.ended("p")["exitCode"]) == ("Failed", 3)


async def test_input_stays_open_for_the_next_client(rig: NodeRig) -> None:
    await talker(rig, "while read line; do echo got $line; done; echo end", **STDIN)
    for word in ("one", "two"):
        async with attach(rig) as session:
            await session.write(word.encode() + b"\n")
            await says(session, f"got {word}\n")
            await session.close_input()
    assert rig.status("p")["phase"] == "Running"


@pytest.mark.parametrize("polite", [True, False])
async def test_input_that_is_for_one_client_only(rig: NodeRig, polite: bool) -> None:
    await talker(rig, "cat; echo end", stdin=True, stdinOnce=True)
    async with attach(rig, options=CommandOptions("c", stdout=True)) as session:
        await session.close_input()
    async with attach(rig) as session:
        await session.write(b"all\n")
        await says(session, "all\n")
        if polite:
            await session.close_input()
            await says(session, "end\n")
    assert await rig.phase("p") == "Succeeded"
    assert await rig.log("p") == "all\nend\n"


async def test_without_stdin_a_container_reads_nothing(rig: NodeRig) -> None:
    await talker(rig, "cat; echo end; exec sleep 1000")
    await rig.said("p", "end")
    async with attach(rig) as session:
        await session.write(b"ignored\n")
        await session.close_input()
    assert await rig.log("p") == "end\n"


async def test_a_container_with_a_terminal(rig: NodeRig) -> None:
    await talker(rig, "read line; stty size; echo $TERM; read line; exit 4", stdin=True, tty=True)
    async with attach(rig, options=TERMINAL) as session:
        session.resize(TerminalSize(90, 30))
        await session.write(b"\n")
        found = await says(session, "xterm\r\n")
        assert "30 90\r\n" in found
        await session.write(b"\n")
        assert (await everything(session), await session.wait()) == ("\r\n", 0)
    await rig.phase("p")
    assert rig.ended("p")["exitCode"] == 4
    assert "30 90" in await rig.log("p")


async def test_a_terminal_outlives_its_client(rig: NodeRig) -> None:
    await talker(rig, "echo up; while read line; do echo got $line; done", stdin=True, stdinOnce=True, tty=True)
    for word in ("one", "two"):
        async with attach(rig, options=TERMINAL) as session:
            await session.write(word.encode() + b"\n")
            await says(session, f"got {word}\r\n")
            await session.close_input()


async def test_two_clients_see_the_same(rig: NodeRig) -> None:
    await talker(rig, "read line; echo $line", **STDIN)
    async with attach(rig) as one, attach(rig) as other:
        await one.write(b"hello\n")
        seen = await asyncio.gather(everything(one), everything(other))
        assert list(seen) == ["hello\n", "hello\n"]


async def test_a_slow_client_makes_the_container_wait_and_loses_nothing(rig: NodeRig) -> None:
    size = 4 * LIMIT
    await talker(rig, f"read line; head -c {size} /dev/zero | tr '\\0' 'x'; echo done >&2", **STDIN)
    async with attach(rig) as session:
        await session.write(b"go\n")
        first = await session.read(STDOUT)
        await asyncio.sleep(0.1)
        assert "done" not in await rig.log("p")
        rest = await everything(session)
        assert len(first) + len(rest) == size
    assert await rig.phase("p") == "Succeeded"


async def test_a_slow_client_that_goes_lets_the_container_run(rig: NodeRig) -> None:
    await talker(rig, f"read line; head -c {4 * LIMIT} /dev/zero; echo done >&2", **STDIN)
    async with attach(rig) as session:
        await session.write(b"go\n")
        await session.read(STDOUT)
    assert await rig.phase("p") == "Succeeded"


async def test_attaching_to_nothing(rig: NodeRig) -> None:
    rig.pod("p", "true")
    await rig.phase("p")
    with pytest.raises(StreamError, match="container c not found in pod p_default"):
        async with attach(rig):
            pass
