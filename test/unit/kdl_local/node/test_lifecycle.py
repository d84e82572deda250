from typing import Any

import pytest

from kdl_local.node.lifecycle import Progress, State, Step, next_step, restart_delay
from kdl_runtime.backoff import BackoffPolicy

NEW = Progress()
RUNS = Progress(State.RUNNING, started=True)
STARTS = Progress(State.RUNNING)


def ended(code: int = 0, retry_at: float = 0.0) -> Progress:
    return Progress(State.ENDED, code, retry_at)


def spec(policy: str, *containers: str) -> dict[str, Any]:
    """Names that start with i are init containers, those with s sidecars."""
    init = [{"name": n, **({"restartPolicy": "Always"} if n[0] == "s" else {})} for n in containers if n[0] in "is"]
    return {
        "restartPolicy": policy,
        "initContainers": init,
        "containers": [{"name": n} for n in containers if n[0] == "c"],
    }


@pytest.mark.parametrize(
    ("spec_", "progress", "expected"),
    [
        pytest.param(spec("Always", "c", "cc"), {"c": NEW, "cc": NEW}, Step(("c", "cc")), id="all containers at once"),
        pytest.param(spec("Always", "c"), {"c": RUNS}, Step(), id="nothing to do"),
        pytest.param(spec("Never", "c"), {"c": ended(1)}, Step(over=True), id="Never restarts nothing"),
        pytest.param(spec("OnFailure", "c"), {"c": ended(0)}, Step(over=True), id="success ends OnFailure"),
        pytest.param(spec("OnFailure", "c"), {"c": ended(1)}, Step(("c",)), id="failure restarts"),
        pytest.param(spec("Always", "c"), {"c": ended(0)}, Step(("c",)), id="Always restarts"),
        pytest.param(spec("Always", "c"), {"c": ended(0, 9)}, Step(look_again=9), id="after its back-off"),
        pytest.param(
            spec("OnFailure", "c", "cc"), {"c": ended(0), "cc": RUNS}, Step(), id="over only when all have ended"
        ),
        pytest.param(spec("Never", "i", "c"), {"i": NEW, "c": NEW}, Step(("i",)), id="init first"),
        pytest.param(spec("Never", "i", "ii", "c"), {"i": RUNS, "ii": NEW, "c": NEW}, Step(), id="one by one"),
        pytest.param(
            spec("Never", "i", "ii", "c"), {"i": ended(), "ii": NEW, "c": NEW}, Step(("ii",)), id="then the next"
        ),
        pytest.param(spec("Never", "i", "c"), {"i": ended(), "c": NEW}, Step(("c",)), id="then the containers"),
        pytest.param(spec("Never", "i", "c"), {"i": ended(1), "c": NEW}, Step(over=True), id="init fails a Never pod"),
        pytest.param(spec("Always", "i", "c"), {"i": ended(1, 7), "c": NEW}, Step(look_again=7), id="init backs off"),
        pytest.param(spec("Never", "i", "c"), {"i": ended(), "c": RUNS}, Step(), id="init is not run again"),
        pytest.param(spec("Never", "s", "c"), {"s": NEW, "c": NEW}, Step(("s",)), id="sidecar before"),
        pytest.param(spec("Never", "s", "c"), {"s": STARTS, "c": NEW}, Step(), id="waits for its startup probe"),
        pytest.param(spec("Never", "s", "c"), {"s": RUNS, "c": NEW}, Step(("c",)), id="and then beside"),
        pytest.param(spec("Never", "s", "c"), {"s": ended(1), "c": RUNS}, Step(("s",)), id="a sidecar is restarted"),
        pytest.param(spec("Never", "s", "c"), {"s": RUNS, "c": ended(0)}, Step(over=True), id="but holds no pod"),
        pytest.param(
            spec("Never", "s", "i", "c"), {"s": RUNS, "i": NEW, "c": NEW}, Step(("i",)), id="init beside a sidecar"
        ),
        pytest.param(
            spec("Never", "s", "i", "c"), {"s": ended(1), "i": RUNS, "c": NEW}, Step(("s",)), id="restarted beside init"
        ),
    ],
)
def test_what_a_node_does_next(spec_: dict[str, Any], progress: dict[str, Progress], expected: Step) -> None:
    assert next_step(spec_, progress, now=5.0) == expected


@pytest.mark.parametrize(("failures", "expected"), [(0, 0), (1, 0), (2, 10), (3, 20), (4, 40), (7, 300), (50, 300)])
def test_pauses_between_restarts(failures: int, expected: float) -> None:
    assert restart_delay(BackoffPolicy(base=10, factor=2, cap=300), failures) == expected
