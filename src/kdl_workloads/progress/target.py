"""The job that a report is about, and where jobs are looked up."""

from dataclasses import dataclass

from kdl_runtime.cache.informer import Informer
from kdl_runtime.types import ObjectKey, Resource
from kdl_workloads.engine.view import JobView


@dataclass(frozen=True, slots=True)
class Target:
    """``uid``: of this very job, not of another one of its name."""

    resource: Resource
    key: ObjectKey
    uid: str


class Jobs:
    """The jobs of all kinds that the operator runs, from its cache."""

    def __init__(self) -> None:
        self._informers: dict[tuple[str, str], Informer[JobView]] = {}

    def add(self, resource: Resource, informer: Informer[JobView]) -> None:
        self._informers[resource.api_version, resource.plural] = informer

    def find(self, api_version: str, plural: str, key: ObjectKey) -> tuple[Target, JobView] | None:
        informer = self._informers.get((api_version, plural))
        view = None if informer is None else informer.get(key)
        if informer is None or view is None:
            return None
        return Target(informer.spec.resource, key, view.metadata.uid), view

    def view(self, target: Target) -> JobView | None:
        """The job as the cache has it now; None if that very job is gone."""
        found = self.find(target.resource.api_version, target.resource.plural, target.key)
        return found[1] if found is not None and found[0].uid == target.uid else None
