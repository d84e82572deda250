import asyncio

from kdl_local.controllers.namespaces import contents_conditions
from kdl_local.resources import CONFIG_MAPS, NAMESPACES
from unit.kdl_local.conditions import present_condition
from unit.kdl_local.controllers.plane import OnVirtualTime, Start


def test_a_namespace_takes_its_contents_with_it(start: Start, on_virtual_time: OnVirtualTime) -> None:
    async def main() -> None:
        async with start() as plane:
            plane.direct.create(NAMESPACES, {"metadata": {"name": "team"}})
            plane.pod("p", namespace="team")
            plane.direct.create(CONFIG_MAPS, {"metadata": {"name": "c", "namespace": "team"}})
            plane.pod("other")
            await asyncio.sleep(1)
            plane.direct.delete(NAMESPACES, "", "team")
            await asyncio.sleep(5)
            assert plane.direct.find(NAMESPACES, "", "team") is None
            assert plane.find("p", "team") is None
            assert plane.direct.find(CONFIG_MAPS, "team", "c") is None
            assert plane.find("other") is not None

    on_virtual_time(main)


def test_it_says_what_holds_it_and_goes_when_nothing_does(start: Start, on_virtual_time: OnVirtualTime) -> None:
    async def main() -> None:
        async with start() as plane:
            plane.direct.create(NAMESPACES, {"metadata": {"name": "team"}})
            metadata = {"name": "c", "namespace": "team", "finalizers": ["example.com/hold"]}
            plane.direct.create(CONFIG_MAPS, {"metadata": metadata})
            plane.direct.delete(NAMESPACES, "", "team")
            await asyncio.sleep(5)
            namespace = plane.direct.get(NAMESPACES, "", "team")
            assert namespace["status"]["phase"] == "Terminating"
            found = present_condition(namespace, "NamespaceFinalizersRemaining")
            assert found["message"].endswith("example.com/hold in 1 resource instances")
            plane.direct.patch(CONFIG_MAPS, "team", "c", {"metadata": {"finalizers": None}})
            await asyncio.sleep(10)
            assert plane.direct.find(NAMESPACES, "", "team") is None

    on_virtual_time(main)


def test_a_namespace_may_be_made_and_deleted_again(start: Start, on_virtual_time: OnVirtualTime) -> None:
    async def main() -> None:
        async with start() as plane:
            for _ in range(3):
                plane.direct.create(NAMESPACES, {"metadata": {"name": "team"}})
                plane.pod("p", namespace="team")
                plane.direct.delete(NAMESPACES, "", "team")
                await asyncio.sleep(5)
                assert plane.direct.find(NAMESPACES, "", "team") is None

    on_virtual_time(main)


def test_the_conditions_count_by_type() -> None:
    held = {"metadata": {"finalizers": ["a/b"]}}
    (remaining, finalizers) = contents_conditions([(CONFIG_MAPS, held), (CONFIG_MAPS, {"metadata": {}})])
    assert remaining["message"] == "Some resources are remaining: configmaps. has 2 resource instances"
    assert (
        finalizers["message"] == "Some content in the namespace has finalizers remaining: a/b in 1 resource instances"
    )
