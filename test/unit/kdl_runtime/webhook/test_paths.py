import pytest

from kdl_runtime.resources.registry import PODS
from kdl_runtime.types import Resource
from kdl_runtime.webhook.paths import CONVERT_PATH, mutate_path, validate_path

CRON_JOBS = Resource("batch.tutorial.kubebuilder.io", "v1", "CronJob", "cronjobs")


@pytest.mark.parametrize(
    ("resource", "mutate", "validate"),
    [
        (
            CRON_JOBS,
            "/mutate-batch-tutorial-kubebuilder-io-v1-cronjob",
            "/validate-batch-tutorial-kubebuilder-io-v1-cronjob",
        ),
        (PODS, "/mutate--v1-pod", "/validate--v1-pod"),
    ],
)
def test_paths_are_those_of_kubebuilder(resource: Resource, mutate: str, validate: str) -> None:
    assert (mutate_path(resource), validate_path(resource)) == (mutate, validate)
    assert CONVERT_PATH == "/convert"
