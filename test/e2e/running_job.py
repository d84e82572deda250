"""A job that a test has submitted."""

from dataclasses import dataclass
from typing import Any

from e2e.api import Api
from e2e.manifests import Kind
from e2e.waiting import gone, until
from kdl_runtime.client.client import Patch, PatchType
from kdl_runtime.resources.registry import EVENTS, PODS
from kdl_runtime.types import ObjectKey

Object = dict[str, Any]

END = ("Succeeded", "Failed")


@dataclass(frozen=True)
class RunningJob:
    api: Api
    kind: Kind
    key: ObjectKey
    uid: str

    @property
    def name(self) -> str:
        return self.key.name

    def object(self) -> Object:
        return self.api(lambda client: client.get(self.kind.resource, self.key))

    def status(self) -> Object:
        return dict(self.object().get("status") or {})

    def conditions(self) -> dict[str, Object]:
        """By type."""
        return {condition["type"]: condition for condition in self.status().get("conditions", ())}

    def until(self, condition: str, *, seconds: float = 90) -> Object:
        """The condition once it is True. Fails at once if the job has ended in another way."""

        def probe() -> dict[str, Object]:
            found = self.conditions()
            for end in END:
                if end != condition and found.get(end, {}).get("status") == "True":
                    raise AssertionError(f"{self.kind} {self.name}: {end} instead of {condition}: {found[end]}")
            return found

        def holds(found: dict[str, Object]) -> bool:
            return bool(found.get(condition, {}).get("status") == "True")

        return until(f"{condition} of {self.kind} {self.name}", probe, holds, seconds=seconds)[condition]

    def replica_status(self, role: str) -> Object:
        return dict(self.status()["replicaStatuses"][role])

    def pods(self) -> list[Object]:
        """Those that this job owns now."""
        pods = self.api(lambda client: client.list(PODS, self.key.namespace))
        return [pod for pod in pods if self.owns(pod)]

    def owns(self, obj: Object) -> bool:
        return any(owner["uid"] == self.uid for owner in obj["metadata"].get("ownerReferences", ()))

    def events(self) -> list[Object]:
        """Those about the job, oldest first."""
        events = self.api(lambda client: client.list(EVENTS, self.key.namespace))
        own = [event for event in events if event.get("regarding", {}).get("uid") == self.uid]
        return sorted(own, key=lambda event: str(event.get("eventTime") or event["metadata"]["creationTimestamp"]))

    def reasons(self) -> list[str]:
        """Of its events, each as often as it was told."""
        return [
            event["reason"] for event in self.events() for _ in range(int((event.get("series") or {}).get("count", 1)))
        ]

    def until_reasons(self, *expected: str) -> None:
        """Waits for the events, which are written in their own time, and for no others than these."""
        wanted = sorted(expected)
        until(f"events {wanted} of {self.name}", lambda: sorted(self.reasons()), lambda found: found == wanted)

    def patch(self, body: Object) -> None:
        patch = Patch(PatchType.MERGE, body)
        self.api(lambda client: client.patch(self.kind.resource, self.key, patch))

    def delete(self) -> None:
        self.api(lambda client: client.delete(self.kind.resource, self.key))

    def until_gone(self, *, seconds: float = 60) -> None:
        gone(f"{self.kind} {self.name}", self.object, seconds=seconds)
