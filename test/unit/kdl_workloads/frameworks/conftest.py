"""Jobs as the dialects decode them."""

from collections.abc import Callable
from typing import Any

import pytest

from kdl_workloads.dialects.registry import dialect_for
from kdl_workloads.framework import Framework
from kdl_workloads.job import Job

Jobs = Callable[..., Job]


@pytest.fixture
def decoded() -> Jobs:
    """``decoded(framework, api_version, roles, ports={}, annotations={}, container={}, **spec)``: a job named ``job``
    in namespace ``team``.

    ``roles`` maps a role to its number of replicas, ``ports`` a role to the number of its rendezvous port;
    ``container`` are further fields of the training containers, ``spec`` of the job.
    """

    def build(
        framework: Framework, api_version: str, roles: dict[str, int], ports: dict[str, int] | None = None, **more: Any
    ) -> Job:
        conventions = framework.conventions[api_version]
        annotations, fields = more.pop("annotations", {}), more.pop("container", {})

        def replica(role: str, replicas: int) -> dict[str, Any]:
            container: dict[str, Any] = {"name": conventions.container, "image": "i", **fields}
            if ports and role in ports:
                container["ports"] = [{"name": conventions.port_name, "containerPort": ports[role]}]
            return {"replicas": replicas, "template": {"spec": {"containers": [container]}}}

        specs = {role: replica(role, replicas) for role, replicas in roles.items()}
        return dialect_for(api_version).decode(
            {
                "apiVersion": api_version,
                "kind": framework.kind,
                "metadata": {"name": "job", "namespace": "team", "uid": "u", "annotations": annotations},
                "spec": {framework.replica_specs_field: specs, **more},
            },
            framework,
        )

    return build
