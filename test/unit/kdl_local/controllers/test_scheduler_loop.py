import asyncio
from typing import Any

from kdl_local.node.fake import FakeNodeOptions
from kdl_local.pods import condition
from kdl_local.resources import NODES, PODS, PRIORITY_CLASSES
from unit.kdl_local.conditions import present_condition
from unit.kdl_local.controllers.plane import OnVirtualTime, Start

SMALL = FakeNodeOptions(count=1, capacity={"cpu": "2", "memory": "4Gi", "pods": "10"})


def cpu(amount: str) -> dict[str, Any]:
    return {"containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": amount}}}]}


def test_pods_spread_over_nodes(start: Start, on_virtual_time: OnVirtualTime) -> None:
    async def main() -> None:
        async with start(FakeNodeOptions(count=3)) as plane:
            for index in range(9):
                plane.pod(f"p{index}", **cpu("1"))
            await asyncio.sleep(1)
            nodes = [plane.node_of(f"p{index}") for index in range(9)]
            assert {name: nodes.count(name) for name in plane.nodes.names} == {"fake-0": 3, "fake-1": 3, "fake-2": 3}
            pod = plane.get("p0")
            assert present_condition(pod, "PodScheduled")["status"] == "True"
            assert plane.events("Scheduled")[0].startswith("Successfully assigned default/p")

    on_virtual_time(main)


def test_a_pod_that_fits_nowhere_says_why_and_goes_when_there_is_room(
    start: Start, on_virtual_time: OnVirtualTime
) -> None:
    async def main() -> None:
        async with start(SMALL) as plane:
            plane.pod("first", **cpu("1500m"))
            await asyncio.sleep(1)
            plane.pod("second", **cpu("1"))
            await asyncio.sleep(1)
            found = present_condition(plane.get("second"), "PodScheduled")
            assert (found["status"], found["reason"]) == ("False", "Unschedulable")
            assert found["message"] == "0/1 nodes are available: 1 Insufficient cpu."
            assert plane.events("FailedScheduling") == [found["message"]]
            plane.direct.delete(PODS, "default", "first")
            await asyncio.sleep(1)
            assert plane.node_of("second") == "fake-0"

    on_virtual_time(main)


def test_a_finished_pod_makes_room(start: Start, on_virtual_time: OnVirtualTime) -> None:
    async def main() -> None:
        async with start(SMALL) as plane:
            notes = {"kdl.io/fake-run-seconds": "5"}
            plane.pod("first", annotations=notes, restartPolicy="Never", **cpu("2"))
            await asyncio.sleep(1)
            plane.pod("second", **cpu("2"))
            await asyncio.sleep(3)
            assert plane.node_of("second") == ""
            await asyncio.sleep(3)
            assert plane.node_of("second") == "fake-0"

    on_virtual_time(main)


def test_a_change_of_a_node_is_noticed(start: Start, on_virtual_time: OnVirtualTime) -> None:
    async def main() -> None:
        async with start(SMALL) as plane:
            plane.pod("p", nodeSelector={"zone": "a"})
            await asyncio.sleep(1)
            assert plane.node_of("p") == ""
            plane.direct.patch(NODES, "", "fake-0", {"metadata": {"labels": {"zone": "a"}}})
            await asyncio.sleep(1)
            assert plane.node_of("p") == "fake-0"

    on_virtual_time(main)


def test_the_highest_priority_goes_first(start: Start, on_virtual_time: OnVirtualTime) -> None:
    async def main() -> None:
        async with start(SMALL) as plane:
            for name, value in (("urgent", 1000), ("idle", -5)):
                plane.direct.create(PRIORITY_CLASSES, {"metadata": {"name": name}, "value": value})
            plane.pod("blocker", **cpu("2"))
            await asyncio.sleep(1)
            plane.pod("patient", **cpu("2"))
            plane.pod("low", priorityClassName="idle", **cpu("2"))
            plane.pod("hurried", priorityClassName="urgent", **cpu("2"))
            await asyncio.sleep(1)
            order = []
            for _ in range(3):
                running = next(p for p in plane.direct.list(PODS) if p["spec"].get("nodeName"))
                plane.direct.delete(PODS, "default", running["metadata"]["name"])
                await asyncio.sleep(1)
                order += [p["metadata"]["name"] for p in plane.direct.list(PODS) if p["spec"].get("nodeName")]
            assert order == ["hurried", "patient", "low"]

    on_virtual_time(main)


def test_what_others_schedule_is_left_alone_but_counts(start: Start, on_virtual_time: OnVirtualTime) -> None:
    async def main() -> None:
        async with start(SMALL) as plane:
            plane.pod("foreign", schedulerName="volcano", **cpu("1"))
            await asyncio.sleep(1)
            assert plane.node_of("foreign") == ""
            assert condition(plane.get("foreign"), "PodScheduled") is None
            plane.direct.bind(plane.get("foreign"), "fake-0", plane.clock.now())
            plane.pod("ours", **cpu("1500m"))
            await asyncio.sleep(1)
            assert plane.node_of("ours") == ""

    on_virtual_time(main)


def test_gates_hold_a_pod(start: Start, on_virtual_time: OnVirtualTime) -> None:
    async def main() -> None:
        async with start(SMALL) as plane:
            plane.pod("gated", schedulingGates=[{"name": "kdl.io/wait"}])
            await asyncio.sleep(1)
            assert plane.node_of("gated") == ""
            assert present_condition(plane.get("gated"), "PodScheduled")["reason"] == "SchedulingGated"
            plane.direct.patch(PODS, "default", "gated", {"spec": {"schedulingGates": None}})
            await asyncio.sleep(1)
            assert plane.node_of("gated") == "fake-0"

    on_virtual_time(main)


def test_a_node_is_never_given_more_than_it_has(start: Start, on_virtual_time: OnVirtualTime) -> None:
    async def main() -> None:
        async with start(FakeNodeOptions(count=3, capacity={"cpu": "4", "memory": "8Gi", "pods": "10"})) as plane:
            notes = {"kdl.io/fake-run-seconds": "7"}
            for index in range(60):
                plane.pod(f"p{index:02}", annotations=notes, restartPolicy="Never", **cpu("900m"))
            most = 0
            for _ in range(80):
                await asyncio.sleep(0.5)
                busy = [p["spec"]["nodeName"] for p in plane.direct.list(PODS, field_selector="status.phase=Running")]
                most = max([most, *(busy.count(name) for name in plane.nodes.names)])
            assert most == 4
            assert len(plane.direct.list(PODS, field_selector="status.phase=Succeeded")) == 60

    on_virtual_time(main)
