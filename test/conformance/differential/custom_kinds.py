"""Custom resources of the sequences: one with something of everything, one of the cluster in two versions, our jobs."""

import random
from pathlib import Path
from typing import Any

import yaml

from conformance.differential.kinds import Kind, Object, container
from conformance.widgets import definition

GROUP = "toys.example.com"
CRDS = Path(__file__).parents[3] / "deploy" / "crds"

WIDGETS = Kind(
    f"{GROUP}/v1",
    "Widget",
    "widgets",
    lambda rng: {"spec": _widget_spec(rng)},
    changes=(
        {"spec": {"size": 5}},
        {"spec": {"size": None}},
        {"spec": {"mode": "slow", "tags": ["a", "b"]}},
        {"spec": {"parts": [{"key": "a"}, {"key": "b", "weight": 2}]}},
        {"spec": {"free": {"any": [1, {"thing": None}]}}},
        {"spec": {"note": None}},
        {"spec": {"replicas": 2}},
        {"metadata": {"labels": {"app": "db"}}},
    ),
    wrong=(
        {"spec": {"size": 11}},
        {"spec": {"size": "big"}},
        {"spec": {"size": 1.5}},
        {"spec": {"mode": "other"}},
        {"spec": {"mode": None}},
        {"spec": {"name": "toolong"}},
        {"spec": {"name": "A"}},
        {"spec": {"name": "wrong"}},
        {"spec": {"tags": ["a", "a"]}},
        {"spec": {"tags": ["a", "b", "c", "d"]}},
        {"spec": {"parts": [{"weight": 1}]}},
        {"spec": {"parts": [{"key": "a"}, {"key": "a"}]}},
        {"spec": {"parts": [{"key": "a", "weight": -1}]}},
        {"spec": {"low": 3, "high": 2}},
        {"spec": {"fixed": "other"}},
        {"spec": {"unknown": 1, "parts": [{"key": "a", "more": 1}]}},
        {"spec": {"quotas": {"q": {}}}},
        {"spec": {"port": 1.5}},
        {"spec": {"on": "true"}},
        {"spec": []},
    ),
    status=({"status": {"phase": "Ready"}}, {"status": {"replicas": 2, "selector": "app=web"}}, {"status": {"x": 1}}),
    subresources=("status", "scale"),
    fields=("spec.mode=fast", "spec.mode!=fast", "spec.size=3"),
    custom=True,
)

GADGETS = Kind(
    f"{GROUP}/v1",
    "Gadget",
    "gadgets",
    lambda rng: {"spec": {"size": rng.randint(1, 3)}},
    changes=({"spec": {"size": 2}}, {"spec": {"color": "red"}}, {"metadata": {"labels": {"app": "db"}}}),
    wrong=({"spec": {"size": "x"}}, {"spec": {"old": 1}}),
    namespaced=False,
    custom=True,
)

OLD_GADGETS = Kind(
    f"{GROUP}/v1beta1",
    "Gadget",
    "gadgets",
    lambda rng: {"spec": {"size": rng.randint(1, 3), "old": "x"}},
    changes=({"spec": {"size": 2}}, {"spec": {"old": "y"}}),
    wrong=({"spec": {"size": "x"}}, {"spec": {"color": "red"}}),
    namespaced=False,
    custom=True,
)


def _widget_spec(rng: random.Random) -> Object:
    choices: list[Object] = [
        {},
        {"size": 1, "mode": "fast"},
        {"name": "abc", "port": 80, "ratio": 0.5, "on": True},
        {"port": "http", "note": None, "fixed": "f"},
        {"free": {"a": {"b": [1, "2", None]}}, "tags": ["x"]},
        {"quotas": {"q": {"limit": 1}}, "parts": [{"key": "k"}], "replicas": 1},
        {"low": 1, "high": 2, "fixed": "f"},
    ]
    return {**rng.choice(choices), **rng.choice(choices)}


def _job(group_version: str, kind: str, roles: str, names: tuple[str, str], container_name: str) -> Kind:
    def role(rng: random.Random, replicas: int) -> Object:
        main = {**container(rng), "name": container_name}
        main.pop("volumeMounts", None)
        return {
            "replicas": replicas,
            **rng.choice([{}, {"restartPolicy": "OnFailure"}]),
            "template": {"spec": {"containers": [main]}},
        }

    def make(rng: random.Random) -> Object:
        return {"spec": {roles: {names[0]: role(rng, 1), names[1]: role(rng, rng.randint(0, 3))}}}

    master, worker = names
    return Kind(
        group_version,
        kind,
        f"{kind.lower()}s",
        make,
        changes=({"spec": {roles: {worker: {"replicas": 5}}}}, {"metadata": {"annotations": {"a": "b"}}}),
        wrong=(
            {"spec": {roles: {worker: {"replicas": -1}}}},
            {"spec": {roles: {master: {"replicas": 2}}}},
            {"spec": {roles: {master: None}}},
            {"spec": {roles: {"Boss": {"replicas": 1}}}},
            {"spec": {roles: {worker: {"restartPolicy": "Maybe"}}}},
            {"spec": {roles: {worker: {"template": {"spec": {"containers": []}}}}}},
            {"spec": {roles: {worker: {"replica": 1}}}},
            {"spec": None},
        ),
        status=({"status": {"startTime": "2020-01-01T00:00:00Z"}}, {"status": {"startTime": 1}}),
        subresources=("status",),
        custom=True,
    )


JOBS = (
    _job("training.kubedl.io/v1alpha1", "XGBoostJob", "xgbReplicaSpecs", ("Master", "Worker"), "xgboostjob"),
    _job("kubeflow.org/v1", "XGBoostJob", "xgbReplicaSpecs", ("Master", "Worker"), "xgboost"),
    _job("kubeflow.org/v1", "PyTorchJob", "pytorchReplicaSpecs", ("Master", "Worker"), "pytorch"),
)


def _gadget_version(name: str, field: str, *, storage: bool) -> Object:
    spec = {"type": "object", "properties": {"size": {"type": "integer", "default": 1}, field: {"type": "string"}}}
    return {
        "name": name,
        "served": True,
        "storage": storage,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}},
        **({"deprecated": True, "deprecationWarning": "use v1"} if not storage else {}),
    }


def _gadgets() -> Object:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"gadgets.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Cluster",
            "names": {"plural": "gadgets", "kind": "Gadget"},
            "versions": [
                _gadget_version("v1", "color", storage=True),
                _gadget_version("v1beta1", "old", storage=False),
            ],
        },
    }


def toys() -> list[Object]:
    """The CRDs of the fuzzer's own."""
    return [definition(GROUP), _gadgets()]


def definitions() -> list[Object]:
    """The CRDs that both servers have before the first sequence."""
    jobs: list[Any] = [yaml.safe_load(path.read_text()) for path in sorted(CRDS.glob("*.yaml"))]
    return [*toys(), *jobs]
