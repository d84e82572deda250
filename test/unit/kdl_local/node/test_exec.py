"""Commands in containers that run."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from kdl_local.apiserver.streams.channels import STDERR, STDOUT, TerminalSize
from kdl_local.apiserver.streams.provider import CommandOptions, StreamError
from kdl_local.node.launch import Isolation
from kdl_local.resources import CONFIG_MAPS
from unit.kdl_local.node.rig import NodeRig, RunningNode
from unit.kdl_local.node.sessions import TERMINAL, everything, exec_, result, says


def same_program(left: str, right: str) -> bool:
    return Path(left).resolve() == Path(right).resolve()


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def sleeper(rig: NodeRig, name: str = "p", **fields: Any) -> None:
    rig.pod(name, "sleep", "1000", **fields)
    await rig.phase(name, "Running")


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("true",), (0, "", "")),
        (("sh", "-c", "echo out; echo err >&2; exit 3"), (3, "out\n", "err\n")),
        (("sh", "-c", "kill -KILL $$"), (137, "", "")),
        (("sh", "-c", "kill -TERM $$"), (143, "", "")),
        (("printf", "%s|", "a b", "", "$HOME"), (0, "a b||$HOME|", "")),
    ],
)
async def test_how_a_command_ends(rig: NodeRig, command: tuple[str, ...], expected: tuple[int, str, str]) -> None:
    await sleeper(rig)
    async with exec_(rig, *command) as session:
        assert await result(session) == expected


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("no-such-program", 'exec: "no-such-program": executable file not found in $PATH'),
        ("/no/such/program", 'exec: "/no/such/program": stat /no/such/program: no such file or directory'),
        ("/etc/passwd", 'exec: "/etc/passwd": permission denied'),
    ],
)
async def test_a_command_that_cannot_be_started(rig: NodeRig, command: str, problem: str) -> None:
    await sleeper(rig)
    with pytest.raises(StreamError) as error:
        async with exec_(rig, command):
            pass
    assert str(error.value) == (
        f"error executing command in container: failed to exec in container: "
        f"unable to start container process: {problem}"
    )


async def test_a_command_finds_what_the_container_finds(rig: NodeRig) -> None:
    code = "import os, sys; print(os.environ['A'], os.environ['HOSTNAME'], os.getcwd(), sys.executable)"
    env = [{"name": "A", "value": "$(HOSTNAME)!"}]
    rig.pod("p", "sh", "-c", 'echo "$A $HOSTNAME $PWD"; exec sleep 1000', container={"env": env})
    await rig.said("p", "!")
    async with exec_(rig, "python", "-c", code) as session:
        _, out, errors = await result(session)
    assert errors == ""
    *shared, program = out.split()
    assert shared == (await rig.log("p")).split()
    assert same_program(program, sys.executable)


@pytest.mark.parametrize("granted", list(Isolation))
async def test_every_kind_of_isolation(
    running_node: RunningNode, best_isolation: Isolation, granted: Isolation
) -> None:
    if best_isolation is Isolation.NONE and granted is not Isolation.NONE:
        pytest.skip("this system grants no mount namespaces")
    if granted is Isolation.ROOT and os.geteuid():
        pytest.skip("needs root")
    async with running_node(granted) as rig:
        await sleeper(rig)
        async with exec_(rig, "sh", "-c", "hostname; grep -c 'Hosts file of a pod' /etc/hosts") as session:
            _, out, _ = await result(session)
        assert (out == "p\n1\n") is (granted is not Isolation.NONE)


async def test_volumes_of_the_container_are_there(isolated: NodeRig) -> None:
    isolated.direct.create(CONFIG_MAPS, {"metadata": {"name": "cm", "namespace": "default"}, "data": {"k": "v"}})
    volume = {"name": "v", "configMap": {"name": "cm"}}
    mounts = {"volumeMounts": [{"name": "v", "mountPath": "/kdl-test-exec/deep"}]}
    await sleeper(isolated, volumes=[volume], container=mounts)
    async with exec_(isolated, "cat", "/kdl-test-exec/deep/k") as session:
        assert await result(session) == (0, "v", "")


async def test_input_until_its_end(rig: NodeRig) -> None:
    await sleeper(rig)
    data = os.urandom(300_000)
    async with exec_(rig, "sha256sum") as session:
        await session.write(data)
        await session.close_input()
        _, out, _ = await result(session)
    async with exec_(rig, "wc", "-c") as session:
        await session.close_input()
        assert (await result(session))[1].strip() == "0"
    assert len(out.split()[0]) == 64


async def test_input_that_nobody_reads_any_more_is_dropped(rig: NodeRig) -> None:
    await sleeper(rig)
    async with exec_(rig, "sh", "-c", "exec <&-; exec sleep 0.2") as session:
        await session.write(b"x" * 1_000_000)
        assert await session.wait() == 0
        await session.write(b"late")


async def test_streams_that_were_not_asked_for(rig: NodeRig) -> None:
    await sleeper(rig)
    script = "echo out; echo err >&2; cat"
    async with exec_(rig, "sh", "-c", script, options=CommandOptions("c", stderr=True)) as session:
        assert await result(session) == (0, "", "err\n")


async def test_all_output_is_there_when_a_command_has_ended(rig: NodeRig) -> None:
    await sleeper(rig)
    async with exec_(rig, "head", "-c", "5000000", "/dev/zero") as session:
        assert len(await everything(session)) == 5_000_000


async def test_a_server_that_a_command_leaves_behind_keeps_nobody_waiting(rig: NodeRig) -> None:
    await sleeper(rig)
    before = len(rig.processes())
    async with exec_(rig, "sh", "-c", "sleep 1000 & echo started") as session:
        assert await result(session) == (0, "started\n", "")
    assert len(rig.processes()) == before + 1


async def test_what_a_command_leaves_behind_ends_with_the_container(rig: NodeRig) -> None:
    rig.pod("p", "sh", "-c", "while [ ! -e stop ]; do sleep 0.02; done")
    await rig.phase("p", "Running")
    async with exec_(rig, "sh", "-c", "setsid sleep 1000 & echo started") as session:
        assert await result(session) == (0, "started\n", "")
    # Ends the container that it runs in, and may or may not come to its own end before.
    async with exec_(rig, "touch", "stop") as session:
        await session.wait()
    await rig.phase("p")
    assert rig.processes() == []


async def test_a_client_that_goes_takes_its_command_along(rig: NodeRig) -> None:
    await sleeper(rig)
    before = len(rig.processes())
    script = "trap 'echo polite > ended; exit' TERM; echo ready; sleep 1000 & wait"
    async with exec_(rig, "sh", "-c", script) as session:
        await says(session, "ready")
    await rig.until(lambda: len(rig.processes()) == before)
    async with exec_(rig, "cat", "ended") as session:
        assert (await result(session))[1] == "polite\n"


async def test_a_command_that_does_not_want_to_go(rig: NodeRig) -> None:
    await sleeper(rig)
    before = len(rig.processes())
    async with exec_(rig, "sh", "-c", "trap '' TERM HUP; echo ready; while true; do sleep 0.1; done") as session:
        await says(session, "ready")
    await rig.until(lambda: len(rig.processes()) == before)


async def test_a_command_ends_with_its_container(rig: NodeRig) -> None:
    rig.pod("p", "sh", "-c", "while [ ! -e stop ]; do sleep 0.02; done")
    await rig.phase("p", "Running")
    async with exec_(rig, "sh", "-c", "touch stop; exec sleep 1000") as session:
        assert await session.wait() == 137
    assert await rig.phase("p") == "Succeeded"


async def test_a_container_that_is_not_there(rig: NodeRig) -> None:
    rig.pod("p", "true")
    await rig.phase("p")
    with pytest.raises(StreamError) as error:
        async with exec_(rig, "true"):
            pass
    assert str(error.value) == 'unable to upgrade connection: container not found ("c")'


async def test_init_containers_can_be_entered_while_they_run(rig: NodeRig) -> None:
    init = [{"name": "i", "image": "kdl/python", "command": ["sleep", "1000"]}]
    rig.pod("p", "true", initContainers=init)
    await rig.until(lambda: (rig.status("p").get("initContainerStatuses") or [{}])[0].get("state", {}).get("running"))
    async with exec_(rig, "true", options=CommandOptions("i", stdout=True)) as session:
        assert await session.wait() == 0
    with pytest.raises(StreamError, match='container not found \\("c"\\)'):
        async with exec_(rig, "true"):
            pass


async def test_a_terminal(rig: NodeRig) -> None:
    await sleeper(rig)
    async with exec_(rig, "sh", options=TERMINAL) as session:
        session.resize(TerminalSize(101, 33))
        await session.write(b"stty size; echo $TERM; test -t 0 && test -t 2 && echo a-terminal; echo err >&2\n")
        found = await says(session, "err\r\n")
        assert "33 101\r\n" in found
        assert "xterm\r\n" in found
        assert "a-terminal\r\n" in found
        await session.write(b"trap 'stty size; echo resized' WINCH; echo ready-$((1+1))\n")
        await says(session, "ready-2")
        session.resize(TerminalSize(80, 24))
        await session.write(b"\n")
        assert "24 80" in await says(session, "resized\r\n")
        await session.write(b"exit 7\n")
        assert await session.wait() == 7
        assert await session.read(STDERR) == b""


async def test_keys_of_a_terminal_are_signals(rig: NodeRig) -> None:
    await sleeper(rig)
    async with exec_(rig, "sh", "-c", "echo ready; exec sleep 1000", options=TERMINAL) as session:
        await says(session, "ready")
        await session.write(b"\x03")
        assert await session.wait() == 130


async def test_many_commands_at_once_leave_no_descriptor_behind(rig: NodeRig) -> None:
    await sleeper(rig)

    async def one(number: int) -> str:
        async with exec_(rig, "echo", str(number)) as session:
            return (await result(session))[1]

    await one(0)
    before = open_descriptors()
    assert await asyncio.gather(*map(one, range(8))) == [f"{number}\n" for number in range(8)]
    assert open_descriptors() == before


async def test_being_cancelled_while_a_command_starts(rig: NodeRig) -> None:
    await sleeper(rig)
    before = len(rig.processes())
    options = CommandOptions("c", ("sleep", "1000"), stdout=True)
    starting = asyncio.ensure_future(rig.node.streams.exec(rig.get("p"), options))
    await asyncio.sleep(0.01)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    await rig.until(lambda: len(rig.processes()) == before)
    async with exec_(rig, "true") as session:
        assert await session.read(STDOUT) == b""
