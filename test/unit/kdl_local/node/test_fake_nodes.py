import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kdl_local.apiserver.direct import Direct
from kdl_local.apiserver.logs import LogOptions
from kdl_local.apiserver.server import ApiServer
from kdl_local.node.fake import FakeNodeOptions, FakeNodes
from kdl_local.node.fake_pod import Behaviour, Progress, Step, advance, behaviour_of, end, wait_before
from kdl_local.resources import LEASES, NODE_LEASES_NAMESPACE, NODES, PODS
from kdl_runtime.clock import LoopClock
from kdl_testing import virtual_time

START = datetime(2026, 1, 1, tzinfo=UTC)


def annotated(**notes: str) -> dict[str, Any]:
    return {
        "metadata": {"annotations": {f"kdl.io/fake-{name.replace('_', '-')}": text for name, text in notes.items()}}
    }


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        (annotated(), Behaviour()),
        (annotated(start_after="0.5", run_seconds="3"), Behaviour(start_after=0.5, run_seconds=3)),
        (annotated(exit_code="1"), Behaviour(exit_codes=(1,))),
        (annotated(exit_code="1,0"), Behaviour(exit_codes=(1, 0))),
        (annotated(stop_after="9", log="text"), Behaviour(stop_after=9, log="text")),
    ],
)
def test_annotations(pod: dict[str, Any], expected: Behaviour) -> None:
    assert behaviour_of(pod) == expected


@pytest.mark.parametrize("pod", [annotated(run_seconds="soon"), annotated(exit_code="bad")])
def test_an_annotation_that_is_no_number_is_named(pod: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"kdl\.io/fake-(run-seconds|exit-code)"):
        behaviour_of(pod)


def steps(behaviour: Behaviour, policy: str, count: int) -> list[tuple[str, float | None]]:
    progress, now, found = Progress(), START, []
    for _ in range(count):
        found.append((progress.step.value, wait_before(progress, behaviour)))
        now += timedelta(seconds=1)
        progress = advance(progress, behaviour, policy, now)
    return found


@pytest.mark.parametrize(
    ("policy", "codes", "expected"),
    [
        ("Never", (1,), [("starting", 1), ("running", 5), ("ended", None)]),
        ("OnFailure", (0,), [("starting", 1), ("running", 5), ("ended", None)]),
        ("OnFailure", (1, 0), [("starting", 1), ("running", 5), ("backing off", 0), ("running", 5), ("ended", None)]),
        ("Always", (0,), [("starting", 1), ("running", 5), ("backing off", 0), ("running", 5), ("backing off", 10)]),
    ],
)
def test_the_life_of_a_pod(policy: str, codes: tuple[int, ...], expected: list[tuple[str, float | None]]) -> None:
    behaviour = Behaviour(start_after=1, run_seconds=5, exit_codes=codes)
    assert steps(behaviour, policy, len(expected)) == expected


def test_an_end_counts_the_run() -> None:
    assert end(Progress(Step.RUNNING, 2, START), 3, START).run == 3


# ---- at work


class Rig:
    def __init__(self, options: FakeNodeOptions) -> None:
        self.clock = LoopClock(START)
        self.server = ApiServer(self.clock, random.Random(1))
        self.direct: Direct = self.server.direct
        self.nodes = FakeNodes(self.direct, self.clock, options)

    def pod(self, name: str, notes: dict[str, str] | None = None, **spec: Any) -> None:
        annotations = {f"kdl.io/fake-{key}": value for key, value in (notes or {}).items()}
        metadata = {"name": name, "namespace": "default", "annotations": annotations}
        containers = [{"name": "c", "image": "i"}]
        self.direct.create(
            PODS, {"metadata": metadata, "spec": {"nodeName": "fake-0", "containers": containers, **spec}}
        )

    def status(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.direct.get(PODS, "default", name)["status"]
        return found

    def container(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.status(name)["containerStatuses"][0]
        return found


@asynccontextmanager
async def rig(options: FakeNodeOptions) -> AsyncIterator[Rig]:
    found = Rig(options)
    task = asyncio.create_task(found.nodes.run())
    await asyncio.sleep(0.1)
    try:
        yield found
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def played(script: Callable[[Rig], Awaitable[None]], options: FakeNodeOptions | None = None) -> None:
    async def main() -> None:
        async with rig(options or FakeNodeOptions()) as found:
            await script(found)

    virtual_time.run(main())


def test_a_pod_runs_for_ever_by_default() -> None:
    async def script(found: Rig) -> None:
        found.pod("p")
        await asyncio.sleep(24 * 3600)
        status = found.status("p")
        assert (status["phase"], status["hostIP"], status["podIP"]) == ("Running", "10.16.0.0", "10.128.0.1")
        assert {item["type"]: item["status"] for item in status["conditions"]}["Ready"] == "True"

    played(script)


@pytest.mark.parametrize(("code", "phase", "reason"), [("0", "Succeeded", "Completed"), ("3", "Failed", "Error")])
def test_a_pod_ends_with_the_exit_code_that_it_is_told(code: str, phase: str, reason: str) -> None:
    async def script(found: Rig) -> None:
        found.pod("p", {"start-after": "2", "run-seconds": "5", "exit-code": code}, restartPolicy="Never")
        await asyncio.sleep(1)
        assert found.status("p")["phase"] == "Pending"
        await asyncio.sleep(2)
        assert found.status("p")["phase"] == "Running"
        await asyncio.sleep(5)
        assert found.status("p")["phase"] == phase
        ended = found.container("p")["state"]["terminated"]
        assert (ended["exitCode"], ended["reason"]) == (int(code), reason)
        assert (ended["startedAt"], ended["finishedAt"]) == ("2026-01-01T00:00:02Z", "2026-01-01T00:00:07Z")

    played(script)


def test_restarts_are_counted_and_backed_off() -> None:
    async def script(found: Rig) -> None:
        found.pod("p", {"run-seconds": "1", "exit-code": "1,1,0"}, restartPolicy="OnFailure")
        await asyncio.sleep(3)
        status = found.container("p")
        assert (status["restartCount"], status["state"]["waiting"]["reason"]) == (1, "CrashLoopBackOff")
        assert status["lastState"]["terminated"]["exitCode"] == 1
        assert found.status("p")["phase"] == "Running"
        await asyncio.sleep(20)
        assert (found.status("p")["phase"], found.container("p")["restartCount"]) == ("Succeeded", 2)

    played(script)


@pytest.mark.parametrize(
    ("notes", "grace", "seconds", "code"),
    [({}, 30, 0.1, 143), ({"stop-after": "5"}, 30, 5.1, 143), ({"stop-after": "50"}, 10, 10.1, 137)],
)
def test_a_deleted_pod_ends_within_its_grace(notes: dict[str, str], grace: int, seconds: float, code: int) -> None:
    async def script(found: Rig) -> None:
        found.pod("p", notes, terminationGracePeriodSeconds=grace)
        await asyncio.sleep(1)
        found.direct.patch(PODS, "default", "p", {"metadata": {"finalizers": ["example.com/hold"]}})
        found.direct.delete(PODS, "default", "p")
        await asyncio.sleep(seconds)
        assert found.status("p")["phase"] == "Failed"
        assert found.container("p")["state"]["terminated"]["exitCode"] == code
        found.direct.patch(PODS, "default", "p", {"metadata": {"finalizers": None}})
        assert found.direct.find(PODS, "default", "p") is None

    played(script)


def test_a_pod_that_waits_for_its_restart_keeps_its_exit_code_when_it_is_deleted() -> None:
    async def script(found: Rig) -> None:
        found.pod("p", {"run-seconds": "1", "exit-code": "3"}, restartPolicy="OnFailure")
        found.direct.patch(PODS, "default", "p", {"metadata": {"finalizers": ["example.com/hold"]}})
        await asyncio.sleep(3)
        found.direct.delete(PODS, "default", "p")
        await asyncio.sleep(1)
        ended = found.container("p")["state"]["terminated"]
        assert (found.status("p")["phase"], ended["exitCode"]) == ("Failed", 3)
        assert ended["finishedAt"] == "2026-01-01T00:00:02Z"

    played(script)


def test_an_evicted_pod_fails_at_once_and_for_good() -> None:
    async def script(found: Rig) -> None:
        found.pod("p", {"run-seconds": "5"}, restartPolicy="Always")
        await asyncio.sleep(1)
        uid = found.direct.get(PODS, "default", "p")["metadata"]["uid"]
        assert found.nodes.evict(uid)
        await asyncio.sleep(60)
        status = found.status("p")
        assert (status["phase"], status["reason"]) == ("Failed", "Evicted")
        assert "low on resource" in status["message"]
        assert not found.nodes.evict(uid), "it has ended"

    played(script)


def test_a_pod_that_never_started_fails_when_it_is_deleted() -> None:
    async def script(found: Rig) -> None:
        found.pod("p", {"start-after": "3600"})
        found.direct.patch(PODS, "default", "p", {"metadata": {"finalizers": ["example.com/hold"]}})
        await asyncio.sleep(1)
        found.direct.delete(PODS, "default", "p")
        await asyncio.sleep(1)
        assert found.status("p")["phase"] == "Failed"
        assert found.container("p")["state"]["terminated"]["reason"] == "ContainerStatusUnknown"

    played(script)


def test_a_lost_node_does_nothing_and_catches_up() -> None:
    async def script(found: Rig) -> None:
        found.pod("ends", {"run-seconds": "20"}, restartPolicy="Never")
        found.pod("stays", {"run-seconds": "1000"}, restartPolicy="Never")
        await asyncio.sleep(1)
        found.nodes.lose("fake-0")
        renewed = found.direct.get(LEASES, NODE_LEASES_NAMESPACE, "fake-0")["spec"]["renewTime"]
        found.pod("new")
        await asyncio.sleep(100)
        assert found.direct.get(LEASES, NODE_LEASES_NAMESPACE, "fake-0")["spec"]["renewTime"] == renewed
        assert [found.status(name)["phase"] for name in ("ends", "stays", "new")] == ["Running", "Running", "Pending"]
        found.nodes.recover("fake-0")
        await asyncio.sleep(1)
        assert [found.status(name)["phase"] for name in ("ends", "stays", "new")] == ["Succeeded", "Running", "Running"]

    played(script)


def test_nodes_register_and_send_heartbeats() -> None:
    async def script(found: Rig) -> None:
        node = found.direct.get(NODES, "", "fake-1")
        assert node["status"]["allocatable"]["cpu"] == "8"
        first = found.direct.get(LEASES, NODE_LEASES_NAMESPACE, "fake-1")["spec"]["renewTime"]
        await asyncio.sleep(25)
        assert found.direct.get(LEASES, NODE_LEASES_NAMESPACE, "fake-1")["spec"]["renewTime"] > first

    played(script, FakeNodeOptions(count=2, capacity={"cpu": "8", "memory": "1Gi", "pods": "3"}))


def test_pods_of_other_nodes_are_left_alone() -> None:
    async def script(found: Rig) -> None:
        found.pod("p", nodeName="elsewhere")
        await asyncio.sleep(10)
        assert found.status("p")["phase"] == "Pending"

    played(script)


def test_the_log_is_the_annotation() -> None:
    async def script(found: Rig) -> None:
        found.pod("p", {"log": "one\ntwo\n"})
        await asyncio.sleep(1)
        pod = found.direct.get(PODS, "default", "p")
        pieces = await found.nodes.logs(pod, LogOptions("c", tail_lines=1))
        assert [piece async for piece in pieces] == [b"two\n"]

    played(script)


def test_a_thousand_pods_cost_two_writes_each() -> None:
    async def script(found: Rig) -> None:
        for index in range(1000):
            found.pod(f"p{index}", {"run-seconds": "60"}, restartPolicy="Never")
        before = found.server.store.revision
        await asyncio.sleep(5)
        assert found.server.store.revision - before <= 1000 + 10
        await asyncio.sleep(60)
        pods = found.direct.list(PODS, field_selector="status.phase=Succeeded")
        assert len(pods) == 1000
        assert found.server.store.revision - before <= 2 * 1000 + 20

    played(script)


@pytest.mark.parametrize("lost", [0, 60])
def test_a_pod_that_gets_a_deadline_is_ended_by_its_node_and_kept(lost: int) -> None:
    async def script(found: Rig) -> None:
        found.pod("p", {"run-seconds": "300"})
        await asyncio.sleep(10)
        if lost:
            found.nodes.lose("fake-0")
        found.direct.patch(PODS, "default", "p", {"spec": {"activeDeadlineSeconds": 1}})
        await asyncio.sleep(1 + lost)
        if lost:
            assert found.status("p")["phase"] == "Running"
            found.nodes.recover("fake-0")
        await asyncio.sleep(0.1)
        status = found.status("p")
        assert (status["phase"], status["reason"]) == ("Failed", "DeadlineExceeded")
        assert found.container("p")["state"]["terminated"]["exitCode"] == 143
        await asyncio.sleep(600)
        assert found.status("p")["phase"] == "Failed"

    played(script)


def test_a_pod_runs_until_its_deadline() -> None:
    async def script(found: Rig) -> None:
        found.pod("p", {}, activeDeadlineSeconds=30)
        await asyncio.sleep(29)
        assert found.status("p")["phase"] == "Running"
        await asyncio.sleep(2)
        assert found.status("p")["phase"] == "Failed"

    played(script)
