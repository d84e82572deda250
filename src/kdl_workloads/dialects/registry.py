"""The dialects, by the apiVersion of their objects."""

from kdl_workloads.dialects.base import Dialect
from kdl_workloads.dialects.kubedl import KubeDL
from kdl_workloads.dialects.kubeflow import Kubeflow

DIALECTS: tuple[Dialect, ...] = (KubeDL(), Kubeflow())


def dialect_for(api_version: str) -> Dialect:
    """KeyError with the known ones for an apiVersion that has no dialect."""
    for dialect in DIALECTS:
        if dialect.api_version == api_version:
            return dialect
    raise KeyError(f"no dialect for {api_version}: known are {', '.join(d.api_version for d in DIALECTS)}")
