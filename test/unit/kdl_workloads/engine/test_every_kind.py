"""What holds for the pods and services of every kind in every API group."""

from typing import Any

import pytest

from kdl_workloads.dialects.registry import dialect_for
from kdl_workloads.engine.observed import Workload
from kdl_workloads.engine.pods import desired_pod
from kdl_workloads.framework import WORKER
from kdl_workloads.frameworks.registry import BUILT_IN
from kdl_workloads.job import CleanPodPolicy, ConditionType, Job, RestartPolicy, RunPolicy
from unit.kdl_workloads.engine.world import World, make_job

KINDS = [Workload(framework, dialect_for(version)) for framework in BUILT_IN for version in framework.conventions]


def named(of: Any) -> str:
    return f"{of.framework.kind}-{of.dialect.name}" if isinstance(of, Workload) else str(of)


def job_of(of: Workload, run_policy: RunPolicy | None = None) -> Job:
    """Two replicas of each role that the kind cannot do without, one where it takes no more."""
    wanted = of.conventions.required or {WORKER}
    roles = {
        role.name: min(2, role.max_replicas or 2)
        for role in of.framework.roles_in(of.dialect.api_version)
        if role.name in wanted
    }
    return make_job(of, roles, RestartPolicy.NEVER, run_policy)


@pytest.mark.parametrize("of", KINDS, ids=named)
def test_no_pod_has_to_wait_in_an_init_container(of: Workload) -> None:
    """Names resolve before pods are ready. An init container that runs beside the others all the time is a sidecar."""
    job = job_of(of)
    for role, spec in job.roles.items():
        for index in range(spec.replicas):
            containers = desired_pod(of, job, role, index)["spec"].get("initContainers", ())
            assert [item["name"] for item in containers if item.get("restartPolicy") != "Always"] == []


@pytest.mark.parametrize("of", KINDS, ids=named)
@pytest.mark.parametrize("policy", list(CleanPodPolicy))
@pytest.mark.parametrize("exit_code", [0, 1])
def test_services_go_at_the_end(of: Workload, policy: CleanPodPolicy, exit_code: int) -> None:
    world = World(job_of(of, RunPolicy(clean_pod_policy=policy)), of)
    had = 0
    for _ in range(3):
        world.step()
        world.run()
        had = max(had, len(world.services))
    wanted = sum(spec.replicas for role, spec in world.job.roles.items() if of.framework.has_service(world.job, role))
    assert had == wanted
    for name in list(world.pods):
        world.end(name, exit_code)
    world.step()
    world.step()
    assert world.job.status.has(ConditionType.FAILED if exit_code else ConditionType.SUCCEEDED)
    assert world.services == {}


@pytest.mark.parametrize("of", KINDS, ids=named)
def test_services_go_with_a_suspension(of: Workload) -> None:
    world = World(job_of(of), of)
    world.step()
    world.set_policy(RunPolicy(suspend=True))
    world.step()
    assert world.services == {}
