"""Roles that wait for others: how far the pods of the upstream role must have come."""

from dataclasses import replace

import pytest

from kdl_workloads.engine.pod import Pod
from kdl_workloads.job import RunPolicy
from unit.kdl_workloads.engine.world import MASTER, WORKER, World, after, make_job, make_pod


def waiting_world(phase: str) -> World:
    """The Master waits for two Workers."""
    job = make_job(run_policy=RunPolicy())
    roles = {MASTER: replace(job.roles[MASTER], depends_on={WORKER: phase}), WORKER: job.roles[WORKER]}
    world = World(replace(job, roles=roles))
    world.step()
    assert sorted(world.pods) == ["job-worker-0", "job-worker-1"]
    return world


def upstream(name: str, state: str) -> Pod:
    if state == "deleted":
        return make_pod(name, "Running", conditions={"Ready": "True"}, deleted=after(0))
    if state == "ready":
        return make_pod(name, "Running", conditions={"Ready": "True"})
    if state == "not ready":
        return make_pod(name, "Running", conditions={"Ready": "False"})
    return make_pod(name, state, exit_code=0) if state == "Succeeded" else make_pod(name, state)


@pytest.mark.parametrize(
    ("phase", "state", "starts"),
    [
        ("Running", "Pending", False),
        ("Running", "not ready", True),
        ("Running", "deleted", False),
        ("Running", "Succeeded", True),
        ("Ready", "Pending", False),
        ("Ready", "not ready", False),
        ("Ready", "Running", False),
        ("Ready", "ready", True),
        ("Ready", "deleted", False),
        ("Ready", "Succeeded", True),
        ("Succeeded", "ready", False),
        ("Succeeded", "Succeeded", True),
    ],
)
def test_when_the_role_starts(phase: str, state: str, starts: bool) -> None:
    world = waiting_world(phase)
    done = "Succeeded" if phase == "Succeeded" else "ready"
    world.pods = {"job-worker-0": upstream("job-worker-0", done), "job-worker-1": upstream("job-worker-1", state)}
    created = {pod["metadata"]["name"] for pod in world.step().create_pods}
    assert ("job-master-0" in created) is starts
