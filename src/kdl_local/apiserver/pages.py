"""Which state of a collection a list shows, and its division into pages.

https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
"""

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from kdl_local.apiserver.fields import FieldError, invalid_object
from kdl_local.apiserver.request import Request
from kdl_local.apiserver.selection import Selection
from kdl_local.apiserver.storage import Collection, Entry, Store
from kdl_runtime.codec.json import DecodeError, decode, encode
from kdl_runtime.errors import BadRequest, Expired, Timeout
from kdl_runtime.types import GroupVersionKind, ObjectKey

NOT_OLDER_THAN, EXACT = "NotOlderThan", "Exact"
_LIST_OPTIONS = GroupVersionKind("meta.k8s.io", "v1", "ListOptions")
_TOKEN_VERSION = "meta.k8s.io/v1"


@dataclass(frozen=True, slots=True)
class ListOptions:
    """``limit`` 0 is no limit. ``resource_version`` and ``match`` are empty for the latest state."""

    limit: int = 0
    continue_: str = ""
    resource_version: str = ""
    match: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """``revision`` is that of the whole list. ``remaining`` is unknown (None) where selectors leave objects out."""

    entries: list[Entry]
    revision: int
    continue_: str = ""
    remaining: int | None = None

    @property
    def metadata(self) -> dict[str, Any]:
        """``metav1.ListMeta``."""
        meta: dict[str, Any] = {"resourceVersion": str(self.revision)}
        if self.continue_:
            meta["continue"] = self.continue_
            if self.remaining is not None:
                meta["remainingItemCount"] = self.remaining
        return meta


def list_options(request: Request) -> ListOptions:
    """From the query. Raises Invalid and BadRequest for what the API excludes."""
    request.number("timeoutSeconds")
    # A list that any version may serve comes whole.
    limit = 0 if request.param("resourceVersion") == "0" else max(request.number("limit") or 0, 0)
    options = ListOptions(
        limit=limit,
        continue_=request.param("continue"),
        resource_version=request.param("resourceVersion"),
        match=request.param("resourceVersionMatch"),
    )
    errors = _match_errors(options)
    if "sendInitialEvents" in request.query:
        errors.append(FieldError.forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    if errors:
        raise invalid_object(_LIST_OPTIONS, "", errors)
    if options.continue_ and options.resource_version not in ("", "0"):
        raise BadRequest("specifying resource version is not allowed when using continue")
    return options


def _match_errors(options: ListOptions) -> list[FieldError]:
    field, match, version = "resourceVersionMatch", options.match, options.resource_version
    errors: list[FieldError] = []
    if not match:
        return errors
    if not version:
        errors.append(FieldError.forbidden(field, f"{field} is forbidden unless resourceVersion is provided"))
    if options.continue_:
        errors.append(FieldError.forbidden(field, f"{field} is forbidden when continue is provided"))
    if match not in (NOT_OLDER_THAN, EXACT):
        errors.append(FieldError.not_supported(field, match, (EXACT, NOT_OLDER_THAN, "")))
    if match == EXACT and version == "0":
        errors.append(FieldError.forbidden(field, f'{field} "exact" is forbidden for resourceVersion "0"'))
    return errors


def parse_revision(text: str) -> int:
    """A resourceVersion of the client's; empty is 0. BadRequest unless it is a number."""
    if not text:
        return 0
    if not (text.isascii() and text.isdigit()):
        why = f'strconv.ParseUint: parsing "{text}": invalid syntax'
        raise BadRequest(f'invalid resource version: resourceVersion: Invalid value: "{text}": {why}')
    return int(text)


def too_large(asked: int, current: int) -> Timeout:
    """The client has seen a later state than this server knows: it should come back in a second."""
    return Timeout(
        f"Timeout: Too large resource version: {asked}, current: {current}",
        details={"causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]},
        retry_after=1,
    )


def read_page(store: Store, collection: Collection, selection: Selection, options: ListOptions) -> Page:
    """The selected objects from the place that the options name, at most ``limit`` of them."""
    if options.continue_:
        revision, start = _parse_token(options.continue_)
    else:
        revision, start = parse_revision(options.resource_version), None
        if revision > store.revision:
            raise too_large(revision, store.revision)
        # Pages from a version that was named are of that version; otherwise without Exact any state that is not older
        # will do, and the latest is at hand.
        exact = options.match == EXACT or (options.limit and revision and not options.match)
        if not exact:
            revision = store.revision
    earlier = revision != store.revision or start is not None
    candidates = _entries_at(collection, revision, selection.namespace, start) if earlier else None
    entries = selection.entries(collection) if candidates is None else selection.pick(candidates)
    if start is not None:
        entries = [entry for entry in entries if entry.key > start]
    page = entries[: options.limit] if options.limit else entries
    if not options.limit or len(page) < options.limit or selection.indexed:
        return Page(page, revision)
    # Whether there is anything after a full page, also if the selection will leave it out: nobody has looked yet.
    known = collection.entries(selection.namespace) if candidates is None else candidates
    if not any(entry.key > page[-1].key for entry in known):
        return Page(page, revision)
    remaining = None if selection.selective else len(entries) - len(page)
    return Page(page, revision, _token(revision, page[-1].key), remaining)


def _entries_at(collection: Collection, revision: int, namespace: str, start: ObjectKey | None) -> list[Entry]:
    try:
        return collection.entries_at(revision, namespace)
    except Expired:
        if start is None:
            raise
        raise Expired(
            "The provided continue parameter is too old to display a consistent list result. "
            "You must start a new list without the continue parameter."
        ) from None


def _token(revision: int, last: ObjectKey) -> str:
    token = {"v": _TOKEN_VERSION, "rv": revision, "start": [last.namespace, last.name]}
    return base64.urlsafe_b64encode(encode(token)).decode().rstrip("=")


def _parse_token(text: str) -> tuple[int, ObjectKey]:
    try:
        token = decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        namespace, name = token["start"]
        return int(token["rv"]), ObjectKey(str(namespace), str(name))
    except (binascii.Error, DecodeError, KeyError, TypeError, ValueError):
        raise BadRequest(
            "invalid continue token: continue key is not valid: use the one that the last page gave"
        ) from None
