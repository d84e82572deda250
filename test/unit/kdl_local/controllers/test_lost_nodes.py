import asyncio

import pytest

from kdl_local.controllers.all import ControllersOptions
from kdl_local.controllers.node_lifecycle import UNREACHABLE, NodeLifecycleOptions, seconds_allowed
from kdl_local.controllers.scheduling import Taint, Toleration, taints_of
from kdl_local.node.fake import FakeNodeOptions
from kdl_local.pods import is_deleting
from kdl_local.resources import NODES, PODS
from unit.kdl_local.conditions import present_condition
from unit.kdl_local.controllers.plane import OnVirtualTime, Start

LOST = Taint(UNREACHABLE, "NoExecute")
MAINTENANCE = Taint("maintenance", "NoExecute")
TWO = FakeNodeOptions(count=2)


@pytest.mark.parametrize(
    ("taints", "tolerations", "expected"),
    [
        pytest.param([], [], None, id="no taint"),
        pytest.param([LOST], [], 5.0, id="a lost node has the default"),
        pytest.param([LOST], [Toleration(UNREACHABLE, "Exists", seconds=60)], 60.0, id="the pod's own time"),
        pytest.param([LOST], [Toleration(UNREACHABLE, "Exists")], None, id="for ever"),
        pytest.param([LOST], [Toleration("", "Exists", seconds=9), Toleration("", "Exists")], 9.0, id="the shortest"),
        pytest.param([MAINTENANCE], [], 0.0, id="any other taint is at once"),
        pytest.param([MAINTENANCE, LOST], [Toleration(UNREACHABLE, "Exists")], 0.0, id="one that is not tolerated"),
        pytest.param([LOST], [Toleration("", "Exists", seconds=-3)], 0.0, id="a negative time is none"),
    ],
)
def test_how_long_a_pod_may_stay(taints: list[Taint], tolerations: list[Toleration], expected: float | None) -> None:
    assert seconds_allowed(taints, tolerations, 5.0) == expected


def test_a_lost_node_loses_its_pods_and_gets_no_new_ones(start: Start, on_virtual_time: OnVirtualTime) -> None:
    options = ControllersOptions(nodes=NodeLifecycleOptions(grace_period=40, eviction_after=5))

    async def main() -> None:
        async with start(TWO, options) as plane:
            plane.pod("p", terminationGracePeriodSeconds=7)
            await asyncio.sleep(1)
            lost = plane.node_of("p")
            plane.nodes.lose(lost)
            await asyncio.sleep(30)
            assert present_condition(plane.direct.get(NODES, "", lost), "Ready")["status"] == "True"
            await asyncio.sleep(15)
            node = plane.direct.get(NODES, "", lost)
            assert present_condition(node, "Ready")["status"] == "Unknown"
            assert {str(taint.effect) for taint in taints_of(node)} == {"NoSchedule", "NoExecute"}
            assert present_condition(plane.get("p"), "Ready")["status"] == "False"
            await asyncio.sleep(6)
            pod = plane.get("p")
            assert is_deleting(pod)
            assert pod["metadata"]["deletionGracePeriodSeconds"] == 7
            assert present_condition(pod, "DisruptionTarget")["reason"] == "DeletionByTaintManager"
            plane.pod("next")
            await asyncio.sleep(60)
            assert plane.node_of("next") not in ("", lost)
            assert plane.find("p") is not None, "nobody but its node may confirm that a pod has stopped"

    on_virtual_time(main)


def test_a_node_that_comes_back_is_ready_and_confirms(start: Start, on_virtual_time: OnVirtualTime) -> None:
    async def main() -> None:
        async with start(TWO) as plane:
            plane.pod("p")
            await asyncio.sleep(1)
            lost = plane.node_of("p")
            plane.nodes.lose(lost)
            await asyncio.sleep(90)
            plane.nodes.recover(lost)
            await asyncio.sleep(15)
            node = plane.direct.get(NODES, "", lost)
            assert (present_condition(node, "Ready")["status"], taints_of(node)) == ("True", ())
            assert plane.find("p") is None

    on_virtual_time(main)


def test_a_short_silence_changes_nothing(start: Start, on_virtual_time: OnVirtualTime) -> None:
    async def main() -> None:
        async with start(TWO) as plane:
            plane.pod("p")
            await asyncio.sleep(1)
            plane.nodes.lose(plane.node_of("p"))
            await asyncio.sleep(25)
            plane.nodes.recover(plane.node_of("p"))
            await asyncio.sleep(120)
            assert not is_deleting(plane.get("p"))
            assert plane.events("NodeNotReady") == []

    on_virtual_time(main)


def test_pods_of_a_deleted_node_are_failed_and_removed(start: Start, on_virtual_time: OnVirtualTime) -> None:
    async def main() -> None:
        async with start(TWO, ControllersOptions(pod_quarantine=40)) as plane:
            plane.pod("p", finalizers=["example.com/hold"])
            await asyncio.sleep(1)
            name = plane.node_of("p")
            plane.nodes.lose(name)
            plane.direct.delete(NODES, "", name)
            await asyncio.sleep(30)
            assert plane.get("p")["status"]["phase"] == "Running"
            await asyncio.sleep(15)
            pod = plane.get("p")
            assert pod["status"]["phase"] == "Failed"
            assert present_condition(pod, "DisruptionTarget")["reason"] == "DeletionByPodGC"
            assert is_deleting(pod)
            plane.direct.patch(PODS, "default", "p", {"metadata": {"finalizers": None}})
            await asyncio.sleep(1)
            assert plane.find("p") is None

    on_virtual_time(main)
