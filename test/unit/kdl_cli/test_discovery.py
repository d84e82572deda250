import pytest

from kdl_cli.discovery import jobs_among, matching
from kdl_cli.references import Reference, references, split_reference
from kdl_runtime.resources.discovery import ServedResource
from kdl_runtime.types import Resource

KUBEDL = Resource("training.kubedl.io", "v1alpha1", "XGBoostJob", "xgboostjobs")
KUBEFLOW = Resource("kubeflow.org", "v1", "XGBoostJob", "xgboostjobs")
MPI, OLD_MPI = (Resource("kubeflow.org", version, "MPIJob", "mpijobs") for version in ("v2beta1", "v1"))
PODS = Resource("", "v1", "Pod", "pods")
EVENTS, NEW_EVENTS = Resource("", "v1", "Event", "events"), Resource("events.k8s.io", "v1", "Event", "events")
SERVED = [
    ServedResource(PODS, "pod", ("po",)),
    ServedResource(EVENTS, "event"),
    ServedResource(NEW_EVENTS, "event"),
    ServedResource(KUBEDL, "xgboostjob"),
    ServedResource(KUBEFLOW, "xgboostjob"),
    ServedResource(MPI, "mpijob"),
    ServedResource(OLD_MPI, "mpijob"),
]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("xgboostjob", [KUBEDL, KUBEFLOW]),
        ("XGBoostJob", [KUBEDL, KUBEFLOW]),
        ("xgboostjobs.kubeflow.org", [KUBEFLOW]),
        ("XGBoostJob.v1.kubeflow.org", [KUBEFLOW]),
        ("xgboostjob.v2.kubeflow.org", []),
        ("mpijobs", [MPI]),
        ("mpijobs.v1.kubeflow.org", [OLD_MPI]),
        ("po", [PODS]),
        ("events", [EVENTS]),
        ("events.events.k8s.io", [NEW_EVENTS]),
        ("tfjob", []),
    ],
)
def test_typed_names_find_their_kinds(typed: str, expected: list[Resource]) -> None:
    assert matching(SERVED, typed) == expected


def test_every_kind_of_job_is_listed_once_per_group() -> None:
    assert jobs_among(SERVED) == [KUBEDL, KUBEFLOW, MPI]


@pytest.mark.parametrize(("typed", "parts"), [("mnist", ("", "mnist")), ("xgboostjob/mnist", ("xgboostjob", "mnist"))])
def test_a_reference_has_a_kind_or_not(typed: str, parts: tuple[str, str]) -> None:
    assert split_reference(typed) == parts


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["mnist"], [Reference("", "mnist")]),
        (["xgboostjob", "a", "b"], [Reference("xgboostjob", "a"), Reference("xgboostjob", "b")]),
        (["xgboostjob/a", "pytorchjob/b"], [Reference("xgboostjob", "a"), Reference("pytorchjob", "b")]),
        ([], []),
    ],
)
def test_arguments_are_read_as_kubectl_reads_them(arguments: list[str], expected: list[Reference]) -> None:
    assert references(arguments) == expected
