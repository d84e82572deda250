"""Refusals that are remembered, and the patch of a status."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest

from kdl_workloads.engine.apply import Refusal, status_patch
from kdl_workloads.engine.blocks import Blocks
from kdl_workloads.engine.observed import Workload
from kdl_workloads.job import Job
from unit.kdl_workloads.engine.world import PYTORCH, PYTORCH_KUBEDL, START, World, after, make_job


@dataclass
class FixedClock:
    time: datetime = START

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return (self.time - START).total_seconds()

    async def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


def test_each_refusal_in_a_row_doubles_the_wait() -> None:
    blocks, job = Blocks(FixedClock()), make_job()
    waits = []
    for _ in range(9):
        blocks.add(job, Refusal("FailedCreatePod", "quota"))
        block = blocks.of(job)
        assert block is not None
        waits.append((block.until - START).total_seconds())
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    blocks.clear(job.key)
    assert blocks.of(job) is None


@pytest.mark.parametrize(
    "changed", [replace(make_job(), generation=2), replace(make_job(), uid="another")], ids=["spec", "job"]
)
def test_a_changed_spec_or_a_new_job_is_tried_at_once(changed: Job) -> None:
    blocks, job = Blocks(FixedClock()), make_job()
    for _ in range(3):
        blocks.add(job, Refusal("FailedCreatePod", "quota"))
    assert blocks.of(changed) is None
    blocks.add(changed, Refusal("FailedCreatePod", "quota"))
    block = blocks.of(changed)
    assert block is not None and block.until == after(5)


@pytest.mark.parametrize("of", [PYTORCH, PYTORCH_KUBEDL], ids=["kubeflow", "kubedl"])
def test_the_first_status_has_what_the_crds_require(of: Workload) -> None:
    world = World(make_job(of), of)
    world.step()
    patch = status_patch(of, {"metadata": {}}, make_job(of), world.job.status)
    assert patch is not None
    assert set(patch) == {"conditions", "replicaStatuses", "startTime"}
    assert set(patch["replicaStatuses"]) == {"Master", "Worker"}


def test_only_what_changed_is_sent_and_what_is_not_ours_stays() -> None:
    world = World(make_job())
    world.step()
    job = world.job
    stored = {**PYTORCH.dialect.encode_status(job, job.status), "lastReconcileTime": "2026-01-01T12:00:00Z"}
    obj = {"status": stored}
    assert status_patch(PYTORCH, obj, job, job.status) is None
    world.run()
    world.step()
    patch = status_patch(PYTORCH, obj, job, world.job.status)
    assert patch is not None
    assert patch["replicaStatuses"] == {"Master": {"active": 1}, "Worker": {"active": 2}}
    assert set(patch) == {"conditions", "replicaStatuses"}
