"""The generated CRDs: identity, columns, subresources, size, structure, and agreement with the files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from kdl_runtime.codec import json
from kdl_workloads import crds
from kdl_workloads.crds import all_crds

DIRECTORY = Path(__file__).parents[4] / "deploy" / "crds"
BY_NAME = {item["metadata"]["name"]: item for item in all_crds()}
NAMES = sorted(BY_NAME)

STATE = ("State", "string", ".status.conditions[-1:].type")
AGE = ("Age", "date", ".metadata.creationTimestamp")
MODEL = ("Model-Version", "string", ".status.modelVersionName")
CACHE = ("Cache-Backend", "string", ".status.cacheBackendName")
LIFETIME = ("Max-Lifetime", "integer", ".spec.activeDeadlineSeconds")
TTL = ("TTL-AFTER-FINISHED", "integer", ".spec.ttlSecondsAfterFinished")


def version(name: str) -> dict[str, Any]:
    """The stored one, which comes first; others differ from it in what the API server fills in and checks."""
    return dict(BY_NAME[name]["spec"]["versions"][0])


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema in a schema, with where it is."""
    yield path, schema
    for name, value in schema.get("properties", {}).items():
        yield from nodes(value, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield from nodes(schema[key], f"{path}[{key}]")


def test_the_files_agree_with_the_code() -> None:
    assert crds.stale(DIRECTORY) == []
    assert {path.name for path in DIRECTORY.glob("*.yaml")} >= {f"{name}.yaml" for name in NAMES}


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("pytorchjobs.training.kubedl.io", [STATE, AGE, MODEL, CACHE, LIFETIME, TTL]),
        ("tfjobs.training.kubedl.io", [STATE, AGE, MODEL, CACHE, LIFETIME, TTL]),
        *(
            (f"{plural}.training.kubedl.io", [STATE, AGE, TTL, LIFETIME])
            for plural in ("elasticdljobs", "marsjobs", "xdljobs", "xgboostjobs")
        ),
        *((name, [STATE, AGE]) for name in NAMES if name.endswith(".kubeflow.org")),
    ],
)
def test_printer_columns(name: str, columns: list[tuple[str, str, str]]) -> None:
    found = version(name)["additionalPrinterColumns"]
    assert [(column["name"], column["type"], column["jsonPath"]) for column in found] == columns


@pytest.mark.parametrize(
    ("name", "scale"),
    [
        *((name, None) for name in NAMES if name.endswith(".kubedl.io")),
        *((f"{plural}.kubeflow.org", None) for plural in ("mxjobs", "tfjobs", "xgboostjobs")),
        (
            "paddlejobs.kubeflow.org",
            {
                "specReplicasPath": ".spec.paddleReplicaSpecs.Worker.replicas",
                "statusReplicasPath": ".status.replicaStatuses.Worker.active",
                "labelSelectorPath": ".status.replicaStatuses.Worker.selector",
            },
        ),
        (
            "jaxjobs.kubeflow.org",
            {
                "specReplicasPath": ".spec.jaxReplicaSpecs.Worker.replicas",
                "statusReplicasPath": ".status.replicaStatuses.Worker.active",
                "labelSelectorPath": ".status.replicaStatuses.Worker.selector",
            },
        ),
        (
            "pytorchjobs.kubeflow.org",
            {
                "specReplicasPath": ".spec.pytorchReplicaSpecs.Worker.replicas",
                "statusReplicasPath": ".status.replicaStatuses.Worker.active",
                "labelSelectorPath": ".status.replicaStatuses.Worker.selector",
            },
        ),
    ],
)
def test_subresources(name: str, scale: dict[str, str] | None) -> None:
    subresources = version(name)["subresources"]
    assert subresources["status"] == {}
    assert subresources.get("scale") == scale


@pytest.mark.parametrize(
    ("name", "kind", "singular", "version_name"),
    [
        ("pytorchjobs.training.kubedl.io", "PyTorchJob", "pytorchjob", "v1alpha1"),
        ("xgboostjobs.training.kubedl.io", "XGBoostJob", "xgboostjob", "v1alpha1"),
        ("elasticdljobs.training.kubedl.io", "ElasticDLJob", "elasticdljob", "v1alpha1"),
        ("marsjobs.training.kubedl.io", "MarsJob", "marsjob", "v1alpha1"),
        ("tfjobs.training.kubedl.io", "TFJob", "tfjob", "v1alpha1"),
        ("xdljobs.training.kubedl.io", "XDLJob", "xdljob", "v1alpha1"),
        ("jaxjobs.kubeflow.org", "JAXJob", "jaxjob", "v1"),
        ("mxjobs.kubeflow.org", "MXJob", "mxjob", "v1"),
        ("mpijobs.kubeflow.org", "MPIJob", "mpijob", "v1"),
        ("mpijobs.training.kubedl.io", "MPIJob", "mpijob", "v1alpha1"),
        ("paddlejobs.kubeflow.org", "PaddleJob", "paddlejob", "v1"),
        ("tfjobs.kubeflow.org", "TFJob", "tfjob", "v1"),
        ("pytorchjobs.kubeflow.org", "PyTorchJob", "pytorchjob", "v1"),
        ("xgboostjobs.kubeflow.org", "XGBoostJob", "xgboostjob", "v1"),
    ],
)
def test_identity(name: str, kind: str, singular: str, version_name: str) -> None:
    spec = BY_NAME[name]["spec"]
    assert (spec["names"]["kind"], spec["names"]["listKind"], spec["names"]["singular"]) == (
        kind,
        f"{kind}List",
        singular,
    )
    assert spec["scope"] == "Namespaced"
    assert (version(name)["name"], version(name)["served"], version(name)["storage"]) == (version_name, True, True)


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("kubeflow.org")])
def test_kubeflow_kinds_have_no_short_names(name: str) -> None:
    assert "shortNames" not in BY_NAME[name]["spec"]["names"]


@pytest.mark.parametrize("name", NAMES)
def test_fits_into_the_annotation_of_kubectl_apply(name: str) -> None:
    assert len(json.encode(BY_NAME[name])) < 262_144


@pytest.mark.parametrize("name", NAMES)
def test_the_schema_is_structural(name: str) -> None:
    """https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema"""
    for path, schema in nodes(version(name)["schema"]["openAPIV3Schema"]):
        assert "type" in schema or schema.get("x-kubernetes-int-or-string"), path
        assert not isinstance(schema.get("type"), list), path
        assert not {"$ref", "anyOf", "oneOf", "allOf", "const", "title", "uniqueItems", "$defs"} & schema.keys(), path
        assert not ("properties" in schema and "additionalProperties" in schema), path
        keys = schema.get("x-kubernetes-list-map-keys")
        if keys:
            item = schema["items"]
            given = {*item.get("required", []), *(k for k, v in item["properties"].items() if "default" in v)}
            assert set(keys) <= given, path


@pytest.mark.parametrize("name", NAMES)
def test_our_fields_are_described_and_the_pod_template_is_not(name: str) -> None:
    fields = version(name)["schema"]["openAPIV3Schema"]["properties"]
    spec, status = fields["spec"]["properties"], fields["status"]["properties"]
    run_policy = spec["runPolicy"]["properties"]
    assert [key for part in (spec, status, run_policy) for key in part if not part[key].get("description")] == []
    roles = next(value for key, value in spec.items() if key.endswith("ReplicaSpecs"))
    pod = roles["additionalProperties"]["properties"]["template"]["properties"]["spec"]
    assert not any("description" in node for _, node in nodes(pod))


@pytest.mark.parametrize("name", NAMES)
def test_replica_statuses_are_not_required(name: str) -> None:
    assert "required" not in version(name)["schema"]["openAPIV3Schema"]["properties"]["status"]


@pytest.mark.parametrize("name", NAMES)
def test_what_the_rules_iterate_over_is_bounded(name: str) -> None:
    """The API server estimates the cost of a rule from these bounds and refuses a CRD that exceeds its budget."""
    schema = version(name)["schema"]["openAPIV3Schema"]
    assert schema["properties"]["metadata"]["properties"]["name"]["maxLength"] == 63
    roles = next(v for k, v in schema["properties"]["spec"]["properties"].items() if k.endswith("ReplicaSpecs"))
    assert roles["maxProperties"] <= 8
    containers = roles["additionalProperties"]["properties"]["template"]["properties"]["spec"]["properties"][
        "containers"
    ]
    assert containers["maxItems"] <= 32
    assert containers["items"]["properties"]["name"]["maxLength"] == 63


@pytest.mark.parametrize("name", NAMES)
def test_every_rule_has_one_line_that_names_a_field(name: str) -> None:
    found = [
        rule
        for _, node in nodes(version(name)["schema"]["openAPIV3Schema"])
        for rule in node.get("x-kubernetes-validations", ())
    ]
    assert len(found) >= 5
    for rule in found:
        assert rule["message"].startswith(("metadata.", "spec.")), rule
        assert "\n" not in rule["message"] + rule["rule"]


def test_write_and_check(tmp_path: Path) -> None:
    runner = CliRunner()
    missing = runner.invoke(crds.main, ["--check", str(tmp_path)])
    assert missing.exit_code == 1
    assert "xgboostjobs.kubeflow.org.yaml" in missing.output
    written = runner.invoke(crds.main, ["--write", str(tmp_path)])
    assert len(written.output.splitlines()) == len(NAMES)
    assert runner.invoke(crds.main, ["--check", str(tmp_path)]).exit_code == 0
    assert runner.invoke(crds.main, ["--write", str(tmp_path)]).output == ""


def test_printed_as_one_stream() -> None:
    documents = list(yaml.load_all(CliRunner().invoke(crds.main, []).output, Loader=yaml.CSafeLoader))
    assert [item["metadata"]["name"] for item in documents] == NAMES
    assert documents[0] == BY_NAME[NAMES[0]]


def test_a_crd_that_is_too_big_is_an_error() -> None:
    big = {"metadata": {"name": "big.example.org"}, "spec": "x" * 262_144}
    with pytest.raises(ValueError, match=r"big\.example\.org has 2\d+ bytes"):
        crds.files([big])


@pytest.mark.parametrize("name", NAMES)
def test_no_list_of_rules_is_empty(name: str) -> None:
    """An API server leaves it out, so every kubectl apply would find a difference."""
    schema = version(name)["schema"]["openAPIV3Schema"]
    assert [path for path, node in nodes(schema) if node.get("x-kubernetes-validations") == []] == []
