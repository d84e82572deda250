"""What is told of the frameworks at the end."""

import ast
from pathlib import Path

from endtoend import frameworks
from endtoend.outcomes import FAILED, PASSED, Outcome
from kdl_workloads.frameworks.registry import BUILT_IN

E2E = Path(__file__).parents[2] / "e2e"


def test_each_framework_has_its_test() -> None:
    for test in frameworks.TRAINED_BY.values():
        module, _, name = test.partition("::")
        functions = ast.parse((E2E / f"{module}.py").read_text()).body
        assert name in {node.name for node in functions if isinstance(node, ast.FunctionDef)}


def test_every_kind_is_trained_or_has_a_reason() -> None:
    told = " ".join([*frameworks.TRAINED_BY, *frameworks.NOT_INSTALLABLE]).lower().replace("tensorflow", "tf")
    names = {"Paddle", "MX"} | {framework.kind.removesuffix("Job") for framework in BUILT_IN}
    assert {name for name in names if name.lower() not in told} == set()


def test_what_has_trained_and_what_has_not() -> None:
    outcomes = [
        Outcome("training", "test_training::test_xgboost[job.yaml]", PASSED),
        Outcome("training", "test_training::test_xgboost[job-kubeflow.yaml]", PASSED),
        Outcome("training", "test_training::test_jax", FAILED),
        Outcome("jobs", "test_order::test_after_all_run", PASSED),
    ]
    lines = list(frameworks.lines(outcomes))
    assert lines[:2] == ["trained for real: XGBoost", "not trained, see above: JAX"]
    assert len(lines) == 2 + len(frameworks.NOT_INSTALLABLE)
    assert list(frameworks.lines(outcomes[3:])) == []
