"""The dialects, by the apiVersion of their objects."""

from kdl_workloads.dialects.base import Dialect
from kdl_workloads.dialects.kubedl import KubeDL
from kdl_workloads.dialects.kubeflow import Kubeflow
from kdl_workloads.framework import KUBEFLOW_V2BETA1

DIALECTS: tuple[Dialect, ...] = (KubeDL(), Kubeflow())
"""Of each API group the one whose objects are stored."""
_ALL = (*DIALECTS, Kubeflow(KUBEFLOW_V2BETA1))


def dialect_for(api_version: str) -> Dialect:
    """KeyError with the known ones for an apiVersion that has no dialect."""
    for dialect in _ALL:
        if dialect.api_version == api_version:
            return dialect
    raise KeyError(f"no dialect for {api_version}: known are {', '.join(d.api_version for d in _ALL)}")
