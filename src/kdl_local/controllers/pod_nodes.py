"""Which pods are on which node, kept up to date by changes."""

from kdl_local.follow import Change
from kdl_local.pods import is_finished, node_name
from kdl_runtime.types import ObjectKey


class PodNodes:
    """``finished`` tells whether pods that have ended still count."""

    def __init__(self, *, finished: bool) -> None:
        self._finished = finished
        self._pods: dict[str, set[ObjectKey]] = {}
        self._node_of: dict[ObjectKey, str] = {}

    def apply(self, change: Change) -> str:
        """The node that the pod has come to by this change; empty if it is where it was, or nowhere."""
        counts = change.new is not None and (self._finished or not is_finished(change.new))
        node = node_name(change.latest) if counts else ""
        before = self._node_of.get(change.key, "")
        if node == before:
            return ""
        if before:
            pods = self._pods[before]
            pods.discard(change.key)
            if not pods:
                del self._pods[before]
            del self._node_of[change.key]
        if node:
            self._pods.setdefault(node, set()).add(change.key)
            self._node_of[change.key] = node
        return node

    def on(self, node: str) -> list[ObjectKey]:
        """In a fixed order."""
        return sorted(self._pods.get(node, ()))

    def node_of(self, key: ObjectKey) -> str:
        return self._node_of.get(key, "")
