"""What can be asked for with a request, under the names of the Kubernetes API's query parameters."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from kdl_runtime.codec.patch import merge_diff
from kdl_runtime.errors import BadRequest

Query = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ListOptions:
    """``limit`` is the size of a page; None lets the client choose. ``continue_`` is the token of the page before.

    ``resource_version`` "" is the newest state, "0" whatever the server has in its cache, which may be old.
    ``metadata_only`` gets items without spec and status, under the kind PartialObjectMetadata.
    """

    label_selector: str = ""
    field_selector: str = ""
    limit: int | None = None
    continue_: str = ""
    resource_version: str = ""
    resource_version_match: str = ""
    metadata_only: bool = False

    @property
    def query(self) -> Query:
        return _present(
            ("labelSelector", self.label_selector),
            ("fieldSelector", self.field_selector),
            ("limit", str(self.limit) if self.limit else ""),
            ("continue", self.continue_),
            ("resourceVersion", self.resource_version),
            ("resourceVersionMatch", self.resource_version_match),
        )


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """Where a watch starts and what it shows.

    ``resource_version`` "" starts with the newest state, any other after that version. With ``send_initial_events``
    the present objects come first and then a bookmark (WatchList, KEP-3157); ``resource_version_match`` must then be
    NotOlderThan. The server ends the watch after ``timeout_seconds``, None leaves that to the server.
    """

    label_selector: str = ""
    field_selector: str = ""
    resource_version: str = ""
    resource_version_match: str = ""
    allow_bookmarks: bool = True
    send_initial_events: bool | None = None
    timeout_seconds: int | None = None
    metadata_only: bool = False

    @property
    def query(self) -> Query:
        initial = "" if self.send_initial_events is None else str(self.send_initial_events).lower()
        return (
            ("watch", "true"),
            *_present(
                ("labelSelector", self.label_selector),
                ("fieldSelector", self.field_selector),
                ("resourceVersion", self.resource_version),
                ("resourceVersionMatch", self.resource_version_match),
                ("allowWatchBookmarks", "true" if self.allow_bookmarks else ""),
                ("sendInitialEvents", initial),
                ("timeoutSeconds", "" if self.timeout_seconds is None else str(self.timeout_seconds)),
            ),
        )


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """``field_validation``: Strict refuses unknown fields, Warn (the server's default) only warns, Ignore is silent.

    ``field_manager`` None is the client's own. ``force`` takes fields over from other managers (apply only).
    """

    subresource: str = ""
    dry_run: bool = False
    field_validation: Literal["", "Strict", "Warn", "Ignore"] = ""
    field_manager: str | None = None
    force: bool = False

    def query(self, field_manager: str) -> Query:
        """``field_manager`` is what is sent if the options name none."""
        return _present(
            ("dryRun", "All" if self.dry_run else ""),
            ("fieldManager", field_manager if self.field_manager is None else self.field_manager),
            ("fieldValidation", self.field_validation),
            ("force", "true" if self.force else ""),
        )


@dataclass(frozen=True, slots=True)
class Preconditions:
    """What must hold of the object for it to be deleted, else Conflict; empty is not checked."""

    uid: str = ""
    resource_version: str = ""


Propagation = Literal["", "Background", "Foreground", "Orphan"]
"""What becomes of an object's dependents."""


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """``grace_period_seconds`` None is the object's own. ``propagation`` "" is the default of the kind."""

    grace_period_seconds: int | None = None
    propagation: Propagation = ""
    preconditions: Preconditions = Preconditions()
    dry_run: bool = False

    @property
    def body(self) -> dict[str, object]:
        """The ``DeleteOptions`` object that is sent."""
        body: dict[str, object] = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if self.grace_period_seconds is not None:
            body["gracePeriodSeconds"] = self.grace_period_seconds
        if self.propagation:
            body["propagationPolicy"] = self.propagation
        if self.preconditions != Preconditions():
            wanted = (("uid", self.preconditions.uid), ("resourceVersion", self.preconditions.resource_version))
            body["preconditions"] = dict(_present(*wanted))
        if self.dry_run:
            body["dryRun"] = ["All"]
        return body


LIST_DEFAULTS = ListOptions()
WATCH_DEFAULTS = WatchOptions()
WRITE_DEFAULTS = WriteOptions()
DELETE_DEFAULTS = DeleteOptions()


class PatchType(StrEnum):
    """The media types of patches. STRATEGIC is for built-in kinds only."""

    MERGE = "application/merge-patch+json"
    JSON = "application/json-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"
    APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True, slots=True)
class Patch:
    """``body`` is a dict, for JSON a list of operations; for APPLY the object with the fields that are to be owned."""

    type: PatchType
    body: object

    @classmethod
    def merge_from(cls, base: Mapping[str, Any], changed: Mapping[str, Any], *, locked: bool = False) -> "Patch | None":
        """The merge patch from one state of an object to another; None if they are equal.

        ``locked`` makes it fail with Conflict if the object has changed since ``base``; BadRequest if that has no
        resourceVersion.
        """
        difference = merge_diff(base, changed)
        if difference is None:
            return None
        if locked:
            version = (base.get("metadata") or {}).get("resourceVersion")
            if not version:
                raise BadRequest("a locked patch needs the resourceVersion of the object that it was made from")
            difference = {**difference, "metadata": {**difference.get("metadata", {}), "resourceVersion": version}}
        return cls(PatchType.MERGE, difference)


def _present(*pairs: tuple[str, str]) -> Query:
    return tuple(pair for pair in pairs if pair[1])
