"""Pods of replica groups: a template of their own, and ranks as if there were no groups."""

from dataclasses import replace
from typing import Any

from kdl_workloads.engine.pods import desired_pod
from kdl_workloads.job import ReplicaGroup
from kdl_workloads.template import find_container
from unit.kdl_workloads.engine.world import PYTORCH, WORKER, World, make_job


def grouped_world() -> World:
    job = make_job(roles={WORKER: 4})
    spec = job.roles[WORKER]
    template = {"metadata": {"labels": {"kdl.io/replica-group": "big"}}, "spec": {**spec.template["spec"]}}
    template["spec"]["nodeSelector"] = {"gpu": "h100"}
    groups = (ReplicaGroup("big", 1, template), ReplicaGroup("none", 0, template), ReplicaGroup("mid", 2, template))
    return World(replace(job, roles={WORKER: replace(spec, groups=groups)}))


def env(pod: dict[str, Any]) -> dict[str, Any]:
    container = find_container({"spec": pod["spec"]}, "pytorch") or {}
    return {item["name"]: item.get("value") for item in container["env"]}


def test_pods_have_the_template_of_their_group() -> None:
    pods = world_pods()
    assert [pod["spec"].get("nodeSelector") for pod in pods] == [{"gpu": "h100"}] * 3 + [None]
    assert [pod["metadata"]["labels"].get("kdl.io/replica-group") for pod in pods] == ["big"] * 3 + [None]


def test_ranks_run_through_the_groups() -> None:
    plain = World(make_job(roles={WORKER: 4})).step().create_pods
    assert [env(pod) for pod in world_pods()] == [env(dict(pod)) for pod in plain]
    assert [env(pod)["RANK"] for pod in world_pods()] == ["0", "1", "2", "3"]


def test_names_and_services_do_not_tell_of_groups() -> None:
    plan = grouped_world().step()
    assert [pod["metadata"]["name"] for pod in plan.create_pods] == [f"job-worker-{i}" for i in range(4)]
    plain = World(make_job(roles={WORKER: 4})).step()
    assert plan.create_services == plain.create_services


def test_a_job_without_groups_is_not_copied() -> None:
    job = make_job()
    assert job.as_seen_by(WORKER, 0) is job
    grouped = grouped_world().job
    assert grouped.as_seen_by(WORKER, 3) is grouped
    assert desired_pod(PYTORCH, grouped, WORKER, 3)["spec"].get("nodeSelector") is None


def world_pods() -> list[dict[str, Any]]:
    return [dict(pod) for pod in grouped_world().step().create_pods]
