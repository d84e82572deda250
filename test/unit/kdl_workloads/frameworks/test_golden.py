"""The environment of every replica of every kind in each API group, against tables that are written by hand."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from kdl_workloads.dialects.registry import dialect_for
from kdl_workloads.engine.observed import Workload
from kdl_workloads.engine.pods import desired_pod
from kdl_workloads.frameworks.registry import BUILT_IN

GOLDEN = Path(__file__).with_name("golden")
FRAMEWORKS = {framework.singular: framework for framework in BUILT_IN}
VERSIONS = {version for framework in BUILT_IN for version in framework.conventions}
GROUPS = {dialect_for(version).name: version for version in VERSIONS}
FILES = sorted(GOLDEN.glob("*.yaml"))
CASES = [
    pytest.param(path.stem, case, id=f"{path.stem}-{case['case']}")
    for path in FILES
    for case in yaml.safe_load(path.read_text())
]


def test_every_kind_in_every_group_has_a_table() -> None:
    wanted = {
        f"{framework.singular}.{dialect_for(version).name}"
        for framework in BUILT_IN
        for version in framework.conventions
    }
    assert {path.stem for path in FILES} == wanted


def test_every_role_is_in_a_table() -> None:
    seen = {(path.stem, role) for path in FILES for case in yaml.safe_load(path.read_text()) for role in case["roles"]}
    wanted = {
        (f"{framework.singular}.{dialect_for(version).name}", role.name)
        for framework in BUILT_IN
        for version in framework.conventions
        for role in framework.roles_in(version)
    }
    # The master of Kubeflow's TFJob and XGBoostJobs alike is covered where it stands for a Chief.
    assert wanted - seen <= {("tfjob.kubeflow", "Master")}


def variables(texts: list[str]) -> list[dict[str, Any]]:
    return [dict(zip(("name", "value"), text.split("=", 1), strict=True)) for text in texts]


def shown(container: dict[str, Any]) -> list[str]:
    return [
        f"{item['name']}={item['value']}"
        if "value" in item
        else f"{item['name']} from {item['valueFrom']['fieldRef']['fieldPath']}"
        for item in container.get("env", ())
    ]


def manifest(name: str, case: dict[str, Any]) -> dict[str, Any]:
    kind, group = name.split(".")
    framework, version = FRAMEWORKS[kind], GROUPS[group]
    conventions = framework.conventions[version]

    def replica(role: str, replicas: int) -> dict[str, Any]:
        env = variables(case.get("own", []))
        trainer: dict[str, Any] = {"name": conventions.container, "image": "i", "env": env}
        trainer["resources"] = case.get("resources", {})
        if role in case.get("ports", {}):
            trainer["ports"] = [{"name": conventions.port_name, "containerPort": case["ports"][role]}]
        template = {"spec": {"containers": [trainer, {"name": "other", "image": "i", "env": env}]}}
        if role in case.get("annotations", {}):
            template["metadata"] = {"annotations": case["annotations"][role]}
        return {"replicas": replicas, "template": template}

    specs = {role: replica(role, replicas) for role, replicas in case["roles"].items()}
    return {
        "apiVersion": version,
        "kind": framework.kind,
        "metadata": {"name": "job", "namespace": "team", "uid": "u"},
        "spec": {framework.replica_specs_field: specs, **case.get("spec", {})},
    }


@pytest.mark.parametrize(("name", "case"), CASES)
def test_environment(name: str, case: dict[str, Any]) -> None:
    obj = manifest(name, case)
    framework, dialect = FRAMEWORKS[name.split(".")[0]], dialect_for(obj["apiVersion"])
    job, workload = dialect.decode(obj, framework), Workload(framework, dialect)
    pods = [desired_pod(workload, job, role, i) for role, spec in job.roles.items() for i in range(spec.replicas)]
    given = {pod["metadata"]["name"]: pod["spec"]["containers"] for pod in pods}
    assert {pod: shown(containers[0]) for pod, containers in given.items()} == case["env"]
    for trainer, other in given.values():
        if case["others"] == "same":
            assert shown(other) == shown(trainer)
        else:
            assert [item["name"] for item in other.get("env", ())] == case["others"]
