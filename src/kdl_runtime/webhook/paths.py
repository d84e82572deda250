"""The URL paths of webhooks, as kubebuilder derives them from a kind: what generated manifests name."""

from kdl_runtime.types import Resource

CONVERT_PATH = "/convert"


def mutate_path(resource: Resource) -> str:
    """``/mutate-batch-example-com-v1-cronjob``; of the core group ``/mutate--v1-pod``."""
    return f"/mutate-{_suffix(resource)}"


def validate_path(resource: Resource) -> str:
    """``/validate-batch-example-com-v1-cronjob``."""
    return f"/validate-{_suffix(resource)}"


def _suffix(resource: Resource) -> str:
    return f"{resource.group.replace('.', '-')}-{resource.version}-{resource.kind.lower()}"
