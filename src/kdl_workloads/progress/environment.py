"""What a job's pods get to report by HTTP: where to, and the token."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kdl_runtime.types import ObjectKey, Resource
from kdl_workloads.engine.observed import Observed
from kdl_workloads.engine.plan import Plan
from kdl_workloads.progress.tokens import Tokens

URL_VARIABLE = "KDL_PROGRESS_URL"
TOKEN_VARIABLE = "KDL_PROGRESS_TOKEN"


def report_path(resource: Resource, key: ObjectKey) -> str:
    """Where the job is reported, as a subresource of it would be called."""
    job = f"namespaces/{key.namespace}/{resource.plural}/{key.name}"
    return f"/apis/{resource.api_version}/{job}/progress"


class ReportingEnvironment:
    """An extension of the engine: variables for the training container of each pod that is made. Those that the user
    has set stay. ``url`` is the endpoint as pods reach it, without a path."""

    def __init__(self, url: str, tokens: Tokens) -> None:
        self._url = url.rstrip("/")
        self._tokens = tokens

    def extend(self, observed: Observed, plan: Plan) -> Plan:
        if not plan.create_pods:
            return plan
        job = observed.job
        variables = {
            URL_VARIABLE: self._url + report_path(observed.workload.resource, job.key),
            TOKEN_VARIABLE: self._tokens.issue(job.uid),
        }
        container = observed.workload.conventions.container
        return replace(plan, create_pods=tuple(_with(pod, container, variables) for pod in plan.create_pods))


def _with(pod: Mapping[str, Any], container: str, variables: Mapping[str, str]) -> Mapping[str, Any]:
    """The pod with the variables in its training container; in all where none has that name."""
    containers = pod["spec"]["containers"]
    trains = {container} & {item["name"] for item in containers} or {item["name"] for item in containers}
    changed = [_with_env(item, variables) if item["name"] in trains else item for item in containers]
    return {**pod, "spec": {**pod["spec"], "containers": changed}}


def _with_env(container: Mapping[str, Any], variables: Mapping[str, str]) -> Mapping[str, Any]:
    env = list(container.get("env") or ())
    given = {variable["name"] for variable in env}
    added = [{"name": name, "value": value} for name, value in variables.items() if name not in given]
    return {**container, "env": [*env, *added]}
