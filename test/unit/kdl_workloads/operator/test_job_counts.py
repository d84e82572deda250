"""What is counted of jobs, and told in events, by operators that come and go."""

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest

from kdl_local.apiserver.request import Request, Response
from kdl_runtime.manager.manager import ShutdownTimeoutError
from kdl_runtime.resources.registry import EVENTS, PODS
from kdl_workloads.engine.transitions import Transition
from unit.kdl_workloads.operator.cluster import (
    NAMESPACE,
    PYTORCH_JOBS,
    Cluster,
    Operator,
    on_virtual_time,
    pytorch_job,
)


def counted(operator: Operator) -> Counter[str]:
    """Under KubeDL's names, and the same under Kubeflow's."""
    value = operator.manager.metrics.registry.get_sample_value
    labels = {"job_namespace": NAMESPACE, "framework": "pytorch"}
    counts = {name: value(f"kubedl_jobs_{name}", {"kind": "pytorchjob"}) or 0 for name in Transition}
    assert counts == {name: value(f"training_operator_jobs_{name}_total", labels) or 0 for name in Transition}
    return Counter({name.value: int(count) for name, count in counts.items() if count})


def die_after_status(cluster: Cluster) -> Callable[[], bool]:
    """From the next write of a status on, whose answer does not come any more, the operator gets nothing done. Gives
    whether that has come."""
    handle, dead = cluster.gateway.handle, asyncio.Event()

    async def answer(request: Request) -> Response:
        if dead.is_set():
            await asyncio.Event().wait()
        response = await handle(request)
        if request.method == "PATCH" and request.path.endswith("/status"):
            dead.set()
            await asyncio.Event().wait()
        return response

    cluster.gateway.handle = answer
    return dead.is_set


@pytest.mark.parametrize(("turn", "transition"), [(0, "created"), (2, "restarted"), (4, "successful")])
def test_a_status_whose_writer_died_is_counted_by_the_next(turn: int, transition: str) -> None:
    @on_virtual_time
    async def test() -> None:
        cluster = Cluster()
        handle = cluster.gateway.handle
        turns: list[Callable[[], object]] = [
            lambda: cluster.direct.create(PYTORCH_JOBS, pytorch_job()),
            cluster.run_all,
            lambda: cluster.end("job-worker-1", 1),
            cluster.run_all,
            lambda: cluster.end("job-master-0"),
        ]
        total: Counter[str] = Counter()
        with pytest.raises(ShutdownTimeoutError):
            async with cluster.operator() as first:
                for act in turns[:turn]:
                    act()
                    await first.settle()
                died = die_after_status(cluster)
                turns[turn]()
                await first.until(died)
        total += counted(first)
        assert transition not in total
        cluster.gateway.handle = handle
        async with cluster.operator() as second:
            await second.settle()
            assert counted(second)[transition] == 1
            for act in turns[turn + 1 :]:
                act()
                await second.settle()
            total += counted(second)
        async with cluster.operator() as third:
            await third.settle()
            total += counted(third)
        assert total == {"created": 1, "restarted": 1, "successful": 1}

    test()


@on_virtual_time
async def test_only_transitions_are_events() -> None:
    """A job that is looked at again and again, for whatever reason and by whatever operator, has no more to tell."""
    cluster = Cluster()

    def told() -> Counter[str]:
        events = cluster.direct.list(EVENTS, NAMESPACE)
        return Counter({f"{e['reason']}: {e['note']}": (e.get("series") or {}).get("count", 1) for e in events})

    async def disturb() -> None:
        for number in range(5):
            for name in cluster.pods():
                cluster.direct.patch(PODS, NAMESPACE, name, {"metadata": {"annotations": {"turn": str(number)}}})
            cluster.direct.patch(PYTORCH_JOBS, NAMESPACE, "job", {"metadata": {"annotations": {"turn": str(number)}}})
            await asyncio.sleep(3)

    async with cluster.operator() as operator:
        await operator.run_job()
        before = told()
        assert before.total() == 1, before
        await disturb()
        assert told() == before
        cluster.end("job-worker-1", 1)
        await operator.settle()
        cluster.run_all()
        await operator.settle()
        restarted = told()
        reasons = [event.partition(":")[0] for event in (restarted - before).elements()]
        assert sorted(reasons) == [
            "ExitedWithCode",
            "PyTorchJobRestarting",
            "SuccessfulCreatePod",
            "SuccessfulDeletePod",
        ]
    async with cluster.operator() as operator:
        await disturb()
        assert told() == restarted
        cluster.end("job-master-0")
        await operator.settle()
        ended = told()
        assert [event.partition(":")[0] for event in (ended - restarted).elements()] == ["PyTorchJobSucceeded"]
        await disturb()
        assert told() == ended
