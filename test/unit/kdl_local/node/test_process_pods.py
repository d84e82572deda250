"""Pods as real processes: starts, ends, restarts, signals, hooks and probes."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from kdl_local.pods import condition
from kdl_local.resources import CONFIG_MAPS, NODES, PODS
from kdl_runtime.errors import BadRequest
from unit.kdl_local.conditions import present_condition
from unit.kdl_local.node.rig import NodeRig


def same_program(left: str, right: str) -> bool:
    return Path(left).resolve() == Path(right).resolve()


def python(code: str) -> tuple[str, ...]:
    return ("python", "-c", code)


@pytest.mark.parametrize(
    ("command", "phase", "expected"),
    [
        (("true",), "Succeeded", {"exitCode": 0, "reason": "Completed"}),
        (("sh", "-c", "exit 3"), "Failed", {"exitCode": 3, "reason": "Error"}),
        (("sh", "-c", "kill -KILL $$$$"), "Failed", {"exitCode": 137, "signal": 9, "reason": "Error"}),
        (("sh", "-c", "kill -SEGV $$$$"), "Failed", {"exitCode": 139, "signal": 11, "reason": "Error"}),
        (("no-such-program",), "Failed", {"exitCode": 128, "reason": "StartError"}),
        (("/etc/passwd",), "Failed", {"exitCode": 128, "reason": "StartError"}),
    ],
)
async def test_how_a_container_ends(
    rig: NodeRig, command: tuple[str, ...], phase: str, expected: dict[str, Any]
) -> None:
    rig.pod("p", *command)
    assert await rig.phase("p") == phase
    ended = rig.ended("p")
    assert {name: ended.get(name) for name in expected} == expected
    assert ended["startedAt"] <= ended["finishedAt"]


async def test_a_command_that_is_not_there_is_named(rig: NodeRig) -> None:
    rig.pod("p", "no-such-program")
    await rig.phase("p")
    assert rig.ended("p")["message"] == 'exec: "no-such-program": executable file not found in $PATH'
    assert rig.events("Failed") == ['Error: exec: "no-such-program": executable file not found in $PATH']


async def test_a_container_without_command_waits_and_says_why(rig: NodeRig) -> None:
    rig.pod("p")
    await rig.until(lambda: "waiting" in rig.container("p").get("state", {}) and rig.events("Failed"))
    waiting = rig.container("p")["state"]["waiting"]
    assert waiting["reason"] == "CreateContainerConfigError"
    assert "set command in the pod template" in waiting["message"]
    assert rig.status("p")["phase"] == "Pending"


async def test_what_a_container_finds_around_it(rig: NodeRig) -> None:
    code = "import os, sys; print(sys.executable, os.environ['A'], os.environ['HOSTNAME'], os.environ['IP'])"
    env = [
        {"name": "A", "value": "$(HOSTNAME)!"},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
    ]
    rig.pod("p", *python(code), container={"env": env})
    await rig.phase("p")
    found, value, hostname, address = (await rig.log("p")).split()
    assert same_program(found, sys.executable)
    assert (value, hostname, address) == ("p!", "p", rig.status("p")["podIP"])


async def test_the_environment_of_the_node_is_not_passed_on(rig: NodeRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
    rig.pod("p", "env")
    await rig.phase("p")
    assert "hidden" not in await rig.log("p")


async def test_pods_have_addresses_of_their_own(rig: NodeRig) -> None:
    code = "import os, socket; s = socket.create_server((os.environ['IP'], 54321)); print('up', flush=True); input()"
    env = [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]
    for name in ("a", "b"):
        rig.pod(name, "sh", "-c", f'exec python -c "{code}" < /dev/zero', container={"env": env})
    for name in ("a", "b"):
        await rig.said(name, "up")
    assert rig.status("a")["podIP"] != rig.status("b")["podIP"]


async def test_a_missing_config_map_is_waited_for(rig: NodeRig) -> None:
    env = [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "k"}}}]
    rig.pod("p", "sh", "-c", "echo $A", container={"env": env})
    await rig.until(lambda: rig.container("p").get("state", {}).get("waiting", {}).get("message"))
    waiting = rig.container("p")["state"]["waiting"]
    assert waiting == {"reason": "CreateContainerConfigError", "message": 'configmap "cm" not found'}
    rig.direct.create(CONFIG_MAPS, {"metadata": {"name": "cm", "namespace": "default"}, "data": {"k": "there"}})
    assert await rig.phase("p") == "Succeeded"
    assert await rig.log("p") == "there\n"


async def test_failures_are_restarted_with_growing_pauses(rig: NodeRig, tmp_path: Path) -> None:
    script = f"echo x >> {tmp_path}/runs; test $(wc -l < {tmp_path}/runs) -ge 4"
    rig.pod("p", "sh", "-c", script, restartPolicy="OnFailure")
    await rig.until(lambda: rig.container("p").get("state", {}).get("waiting", {}).get("reason") == "CrashLoopBackOff")
    assert rig.container("p")["lastState"]["terminated"]["exitCode"] == 1
    assert rig.status("p")["phase"] == "Running"
    assert await rig.phase("p") == "Succeeded"
    assert rig.container("p")["restartCount"] == 3
    assert rig.events("BackOff")


async def test_the_previous_log_is_kept(rig: NodeRig, tmp_path: Path) -> None:
    script = f"echo run $(cat {tmp_path}/n 2> /dev/null); test -e {tmp_path}/n && exit 0; echo 2 > {tmp_path}/n; exit 1"
    rig.pod("p", "sh", "-c", script, restartPolicy="OnFailure")
    await rig.phase("p")
    assert await rig.log("p") == "run 2\n"
    assert await rig.log("p", previous=True) == "run\n"
    rig.pod("q", "true")
    await rig.phase("q")
    with pytest.raises(BadRequest, match='previous terminated container "c" in pod "q" not found'):
        await rig.log("q", previous=True)


async def test_init_containers_run_first_and_in_order(rig: NodeRig, tmp_path: Path) -> None:
    def step(name: str, **more: Any) -> dict[str, Any]:
        return {"name": name, "image": "i", "command": ["sh", "-c", f"echo {name} >> {tmp_path}/order"], **more}

    rig.pod("p", "sh", "-c", f"echo main >> {tmp_path}/order", initContainers=[step("one"), step("two")])
    assert await rig.phase("p") == "Succeeded"
    assert (tmp_path / "order").read_text().split() == ["one", "two", "main"]
    assert [item["state"]["terminated"]["reason"] for item in rig.status("p")["initContainerStatuses"]] == [
        "Completed",
        "Completed",
    ]


async def test_a_failing_init_container_fails_the_pod(rig: NodeRig) -> None:
    init = [{"name": "i", "image": "i", "command": ["sh", "-c", "exit 7"]}]
    rig.pod("p", "true", initContainers=init)
    assert await rig.phase("p") == "Failed"
    assert rig.status("p")["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 7
    assert present_condition(rig.get("p"), "Initialized")["status"] == "False"


async def test_a_sidecar_runs_beside_and_ends_after(rig: NodeRig, tmp_path: Path) -> None:
    script = f"trap 'echo sidecar >> {tmp_path}/order; exit 0' TERM; touch {tmp_path}/up; while :; do sleep 0.05; done"
    sidecar = {"name": "s", "image": "i", "restartPolicy": "Always", "command": ["sh", "-c", script]}
    main = f"while ! test -e {tmp_path}/up; do sleep 0.02; done; echo main >> {tmp_path}/order"
    rig.pod("p", "sh", "-c", main, initContainers=[sidecar])
    assert await rig.phase("p") == "Succeeded"
    assert (tmp_path / "order").read_text().split() == ["main", "sidecar"]


TRAP = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done"
DEAF = "trap '' TERM; echo up; while :; do sleep 0.05; done"


@pytest.mark.parametrize(("script", "grace", "code"), [(TRAP, 30, 0), (DEAF, 1, 137), ("echo up; sleep 1000", 30, 143)])
async def test_deletion_asks_first_and_kills_later(rig: NodeRig, script: str, grace: int, code: int) -> None:
    metadata = {"finalizers": ["example.com/hold"]}
    rig.pod("p", "sh", "-c", script, terminationGracePeriodSeconds=grace, metadata=metadata)
    await rig.said("p", "up")
    rig.direct.delete(PODS, "default", "p")
    await rig.until(lambda: rig.get("p")["metadata"].get("deletionGracePeriodSeconds") == 0)
    assert rig.ended("p")["exitCode"] == code
    assert rig.status("p")["phase"] == ("Succeeded" if code == 0 else "Failed")
    rig.direct.patch(PODS, "default", "p", {"metadata": {"finalizers": None}})
    assert rig.find("p") is None
    await rig.until(lambda: not rig.processes())


async def test_a_deletion_may_be_made_quicker(rig: NodeRig) -> None:
    rig.pod("p", "sh", "-c", DEAF, terminationGracePeriodSeconds=1000)
    await rig.said("p", "up")
    rig.direct.delete(PODS, "default", "p")
    await rig.until(lambda: rig.events("Killing"))
    rig.direct.delete(PODS, "default", "p", grace_period_seconds=1)
    await rig.until(lambda: rig.find("p") is None)


async def test_a_pod_that_is_simply_gone_is_killed(rig: NodeRig) -> None:
    rig.pod("p", "sh", "-c", DEAF)
    await rig.said("p", "up")
    rig.direct.delete(PODS, "default", "p", grace_period_seconds=0)
    await rig.until(lambda: not rig.processes())


async def test_all_processes_of_a_container_end_with_it(rig: NodeRig) -> None:
    rig.pod("p", "sh", "-c", "sleep 1000 & echo up; sleep 0.1")
    assert await rig.phase("p") == "Succeeded"
    await rig.until(lambda: not rig.processes())


async def test_a_killed_process_is_a_failure(rig: NodeRig) -> None:
    rig.pod("p", "sleep", "1000")
    await rig.phase("p", "Running")
    for pid in rig.processes():
        os.kill(pid, signal.SIGKILL)
    assert await rig.phase("p") == "Failed"
    assert rig.ended("p")["exitCode"] == 137


async def test_the_deadline_of_a_pod(rig: NodeRig) -> None:
    rig.pod("p", "sleep", "1000", activeDeadlineSeconds=1, terminationGracePeriodSeconds=1)
    assert await rig.phase("p") == "Failed"
    assert rig.status("p")["reason"] == "DeadlineExceeded"
    await rig.until(lambda: not rig.processes())


async def test_readiness_follows_its_probe(rig: NodeRig, tmp_path: Path) -> None:
    probe = {"exec": {"command": ["test", "-e", f"{tmp_path}/ready"]}, "periodSeconds": 1, "failureThreshold": 1}
    rig.pod("p", "sleep", "1000", container={"readinessProbe": probe})
    await rig.until(lambda: rig.events("Unhealthy"))
    assert (rig.container("p")["ready"], rig.status("p")["phase"]) == (False, "Running")
    (tmp_path / "ready").touch()
    await rig.until(lambda: present_condition(rig.get("p"), "Ready")["status"] == "True")


async def test_a_container_that_is_not_alive_is_restarted(rig: NodeRig) -> None:
    probe = {"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 1}
    rig.pod("p", "sleep", "1000", container={"livenessProbe": probe}, restartPolicy="Always")
    await rig.until(lambda: rig.container("p").get("restartCount") == 1)
    assert rig.container("p")["lastState"]["terminated"]["exitCode"] == 143
    assert rig.events("Killing") == ["Container c failed liveness probe, will be restarted"]


async def test_hooks_run_inside_the_container(rig: NodeRig, tmp_path: Path) -> None:
    def hook(name: str) -> dict[str, Any]:
        return {"exec": {"command": ["sh", "-c", f"echo {name} $A >> {tmp_path}/hooks"]}}

    lifecycle = {"postStart": hook("post"), "preStop": hook("pre")}
    rig.pod("p", "sleep", "1000", container={"lifecycle": lifecycle, "env": [{"name": "A", "value": "seen"}]})
    await rig.phase("p", "Running")
    rig.direct.delete(PODS, "default", "p")
    await rig.until(lambda: rig.find("p") is None)
    assert (tmp_path / "hooks").read_text().splitlines() == ["post seen", "pre seen"]


async def test_a_failing_post_start_hook_kills_the_container(rig: NodeRig) -> None:
    lifecycle = {"postStart": {"exec": {"command": ["false"]}}}
    rig.pod("p", "sleep", "1000", container={"lifecycle": lifecycle})
    assert await rig.phase("p") == "Failed"
    assert rig.events("FailedPostStartHook")


async def test_a_log_can_be_followed(rig: NodeRig) -> None:
    rig.pod("p", "sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.1; done; echo end >&2")
    await rig.phase("p", "Running", "Succeeded")
    async with asyncio.timeout(10):
        assert await rig.log("p", follow=True) == "1\n2\n3\nend\n"


async def test_the_status_is_written_only_when_it_changes(rig: NodeRig) -> None:
    rig.pod("p", "sleep", "1000")
    await rig.phase("p", "Running")
    before = rig.get("p")["metadata"]["resourceVersion"]
    rig.direct.patch(NODES, "", "local", {"metadata": {"labels": {"a": "b"}}})
    rig.pod("other", "true")
    await rig.phase("other")
    assert rig.get("p")["metadata"]["resourceVersion"] == before


async def test_the_node_tells_of_itself(rig: NodeRig) -> None:
    node = rig.direct.get(NODES, "", "local")
    assert int(node["status"]["capacity"]["cpu"]) == len(os.sched_getaffinity(0))
    assert present_condition(node, "Ready")["status"] == "True"
    assert condition(node, "PodsIsolated") is not None


async def test_pods_of_other_nodes_are_ignored(rig: NodeRig) -> None:
    rig.pod("p", "true", nodeName="elsewhere")
    rig.pod("ours", "true")
    await rig.phase("ours")
    assert rig.status("p")["phase"] == "Pending"
