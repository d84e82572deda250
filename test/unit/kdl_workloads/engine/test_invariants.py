"""Whatever happens, in whatever order, and wherever the operator dies: what must always hold."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from kdl_workloads.engine.observed import NodeState, Workload
from kdl_workloads.job import CleanPodPolicy, RestartPolicy, RunPolicy
from unit.kdl_workloads.engine.world import MASTER, PYTORCH, PYTORCH_KUBEDL, WORKER, World, make_job

PODS = ["job-master-0", "job-worker-0", "job-worker-1", "job-worker-2"]
STEP = "step"
ACTIONS = [
    STEP,
    "step-dies-before",
    "step-dies-after",
    "run",
    "succeed",
    "fail",
    "evict",
    "delete",
    "stopped",
    "suspend",
]

actions = st.lists(st.tuples(st.sampled_from(ACTIONS), st.sampled_from(PODS)), min_size=40, max_size=100)
policies = st.sampled_from([RestartPolicy.ON_FAILURE, RestartPolicy.ALWAYS])
dialects = st.sampled_from([PYTORCH, PYTORCH_KUBEDL])


class Ghost:
    """Drives a world and keeps a count of its own of what has happened to pods."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.succeeded: dict[str, int] = {}
        self.failures = 0

    def act(self, action: str, name: str) -> None:
        world = self.world
        world.now += timedelta(seconds=3)
        pod = world.pods.get(name)
        if action.startswith(STEP):
            self.step(action.removeprefix("step-dies-").replace(STEP, ""))
        elif action == "suspend" and not world.job.status.finished:
            policy = world.job.run_policy
            world.job = replace(world.job, run_policy=replace(policy, suspend=not policy.suspend))
        elif pod is None:
            return
        elif action == "delete" and pod.ended and not pod.terminating:
            # The delete of a pod that has ended is confirmed at once, and then nobody knows which came first.
            self.step()
            if name in world.pods:
                world.delete(name)
        elif action == "delete" and not pod.terminating:
            world.delete(name)
        elif pod.ended:
            return
        elif action == "run" and not pod.terminating:
            world.run(name)
        elif pod.status.phase != "Running":
            return
        elif action == "stopped" and pod.terminating:
            world.stopped(name)
        elif action == "succeed":
            self.succeeded.setdefault(name, world.created.count(name))
            world.end(name)
        elif action == "fail":
            self.failures += not pod.terminating
            world.end(name, 1)
        elif action == "evict":
            world.end(name, 137, conditions={"DisruptionTarget": ("True", "EvictionByEvictionAPI")})

    def step(self, stop: str = "") -> None:
        finished = self.world.job.status.finished
        self.world.step(stop)
        for name, count in self.succeeded.items():
            assert self.world.created.count(name) == count, f"{name} has succeeded and runs again"
        if not finished and stop != "before":
            assert self.world.job.status.attempts == self.failures


@given(actions, policies, dialects)
def test_every_job_ends_once_and_right(todo: list[tuple[str, str]], policy: RestartPolicy, of: Workload) -> None:
    """Deciding twice is the same as once and no place has two pods (``World`` checks both); a replica that has
    succeeded is never run again; failures are counted exactly once; once nothing disturbs it any more, it succeeds."""
    run_policy = RunPolicy(clean_pod_policy=CleanPodPolicy.ALL)
    world = World(make_job(of, {MASTER: 1, WORKER: 3}, policy, run_policy), of)
    ghost = Ghost(world)
    for action, name in todo:
        ghost.act(action, name)
    world.job = replace(world.job, run_policy=run_policy)
    for _ in range(8):
        if world.job.status.finished:
            break
        world.now += timedelta(seconds=600)
        ghost.step()
        for name in list(world.pods):
            for action in ("stopped", "run", "succeed"):
                ghost.act(action, name)
    assert world.job.status.finished
    ghost.step()
    for name in list(world.pods):
        world.stopped(name)
    ghost.step()
    assert world.pods == {}
    assert world.step().status is None


@given(
    st.lists(st.tuples(st.sampled_from(["fail", "evict", "delete", "lose"]), st.sampled_from(PODS)), max_size=20),
    st.integers(0, 4),
)
def test_the_backoff_limit_is_exact(todo: list[tuple[str, str]], limit: int) -> None:
    """The job fails with the failure after the last allowed one, and disruptions never matter."""
    world = World(make_job(roles={MASTER: 1, WORKER: 3}, run_policy=RunPolicy(backoff_limit=limit)))
    ghost = Ghost(world)
    ghost.step()
    for action, name in todo:
        if world.job.status.finished:
            break
        world.run()
        ghost.step()
        if action == "lose":
            world.now += timedelta(seconds=100)
            world.delete(name)
            world.now += timedelta(seconds=100)
            world.nodes = {"node-1": NodeState.LOST}
        else:
            ghost.act(action, name)
            if action == "delete":
                ghost.act("stopped", name)
        ghost.step()
        world.nodes = {}
        world.now += timedelta(seconds=600)
        ghost.step()
        ghost.step()
    assert world.job.status.finished == (ghost.failures > limit)
