import pytest

from kdl_cli.kinds import Kind, matching, parse_resource_list, split_reference
from kdl_runtime.types import Resource

KUBEDL = Kind(Resource("training.kubedl.io", "v1alpha1", "XGBoostJob", "xgboostjobs"), "xgboostjob")
KUBEFLOW = Kind(Resource("kubeflow.org", "v1", "XGBoostJob", "xgboostjobs"), "xgboostjob", ("xgb",))
PODS = Kind(Resource("", "v1", "Pod", "pods"), "pod", ("po",))


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("xgboostjob", [KUBEDL, KUBEFLOW]),
        ("XGBoostJob", [KUBEDL, KUBEFLOW]),
        ("xgboostjobs", [KUBEDL, KUBEFLOW]),
        ("xgboostjobs.kubeflow.org", [KUBEFLOW]),
        ("xgboostjob.v1.kubeflow.org", [KUBEFLOW]),
        ("xgboostjob.v2.kubeflow.org", []),
        ("XGBoostJob.training.kubedl.io", [KUBEDL]),
        ("xgb", [KUBEFLOW]),
        ("po", [PODS]),
        ("pod.v1", [PODS]),
        ("tfjob", []),
    ],
)
def test_typed_names_find_their_kinds(typed: str, expected: list[Kind]) -> None:
    assert matching([KUBEDL, KUBEFLOW, PODS], typed) == expected


def test_discovery_documents_are_read_without_subresources() -> None:
    document = {
        "groupVersion": "v1",
        "resources": [
            {"name": "pods", "singularName": "pod", "kind": "Pod", "namespaced": True, "shortNames": ["po"]},
            {"name": "pods/log", "singularName": "", "kind": "Pod", "namespaced": True},
            {"name": "nodes", "singularName": "node", "kind": "Node", "namespaced": False},
        ],
    }
    assert parse_resource_list(document) == [PODS, Kind(Resource("", "v1", "Node", "nodes", False), "node")]


@pytest.mark.parametrize(("typed", "parts"), [("mnist", ("", "mnist")), ("xgboostjob/mnist", ("xgboostjob", "mnist"))])
def test_references(typed: str, parts: tuple[str, str]) -> None:
    assert split_reference(typed) == parts
