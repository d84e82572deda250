"""What may differ: one list, which docs/local-cluster.md repeats for users."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.differential.compare import ABSENT, Difference
from conformance.differential.exchange import Exchange
from conformance.differential.messages import loose

_NOT_READY = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}


@dataclass(frozen=True)
class Accepted:
    """``id`` and ``what`` are in the documentation; ``why`` is for whoever wonders. ``recognise`` tells whether a
    difference is this one. ``diverges``: the two servers are in different states afterwards, so that the rest of the
    sequence says nothing.
    """

    id: str
    what: str
    why: str
    recognise: Callable[[Exchange, Difference], bool]
    diverges: bool = False


def _is_zero(value: Any) -> bool:
    """What Go writes for a field that nobody has set."""
    if isinstance(value, dict):
        return all(_is_zero(item) for item in value.values())
    return value in (None, "", 0, False, ABSENT) or value == []


def _in_object(difference: Difference) -> bool:
    return difference.place.startswith(("body.", "events["))


def _zero_field(exchange: Exchange, difference: Difference) -> bool:
    return _in_object(difference) and _is_zero(difference.real) and _is_zero(difference.local)


def _column_text(exchange: Exchange, difference: Difference) -> bool:
    return ".columnDefinitions" in difference.place and difference.place.endswith(".description")


def _default_tolerations(exchange: Exchange, difference: Difference) -> bool:
    if not difference.place.endswith("spec.tolerations") or not isinstance(difference.real, list):
        return False
    own = [item for item in difference.real if item.get("tolerationSeconds") != 300]
    return bool(own == ([] if difference.local == ABSENT else difference.local))


def _token_volume(exchange: Exchange, difference: Difference) -> bool:
    if not difference.place.endswith(("spec.volumes", ".volumeMounts")) or not isinstance(difference.real, list):
        return False
    own = [item for item in difference.real if not str(item.get("name")).startswith("kube-api-access-")]
    return bool(own == ([] if difference.local == ABSENT else difference.local))


def _node_taint(exchange: Exchange, difference: Difference) -> bool:
    if not difference.place.endswith("spec.taints") or not isinstance(difference.real, list):
        return False
    own = [item for item in difference.real if item != _NOT_READY]
    return bool(own == ([] if difference.local == ABSENT else difference.local))


def _discovery(exchange: Exchange, difference: Difference) -> bool:
    path = exchange.step.path.rstrip("/")
    return path in ("/api", "/apis", "/api/v1") and difference.place.startswith(
        ("body.groups", "body.items", "body.resources")
    )


def _storage_hash(exchange: Exchange, difference: Difference) -> bool:
    return difference.place.endswith(".storageVersionHash")


def _protobuf(exchange: Exchange, difference: Difference) -> bool:
    return "protobuf" in dict(exchange.step.headers).get("Accept", "")


def _server_error(exchange: Exchange, difference: Difference) -> bool:
    if exchange.real.code != 500 or difference.place != "code":
        return False
    return 400 <= exchange.local.code < 500 or (exchange.step.method == "GET" and exchange.local.code == 200)


_STORED = ("endpoints", "endpointslices", "poddisruptionbudgets", "roles", "nodes", "serviceaccounts", "events")


def _stored_kind(exchange: Exchange, difference: Difference) -> bool:
    path = exchange.step.path.split("/")
    one_refused = {exchange.real.code, exchange.local.code} in ({422}, {422, 200}, {422, 201}, {422, 409})
    return one_refused and any(plural in path for plural in _STORED)


def _duplicate_fields(exchange: Exchange, difference: Difference) -> bool:
    if difference.place == "warnings":
        missing = set(difference.real) - set(difference.local)
        return bool(missing) and all("duplicate field" in text or "already set in map" in text for text in missing)
    return difference.place == "code" and "duplicate field" in str(difference.real)


def _directives(exchange: Exchange, difference: Difference) -> bool:
    if difference.place == "warnings":
        missing = set(difference.real) - set(difference.local)
        return bool(missing) and all(".$" in text for text in missing)
    if difference.place == "code":
        return ".$" in str(difference.real)
    return exchange.real.code == exchange.local.code == 422 and "$patch" in str(exchange.step.body)


def _definition_faults(exchange: Exchange, difference: Difference) -> bool:
    return exchange.real.code == exchange.local.code == 422 and "customresourcedefinitions" in exchange.step.path


def _pod_warnings(exchange: Exchange, difference: Difference) -> bool:
    return (
        difference.place == "warnings"
        and "/pods" in exchange.step.path
        and set(difference.local) <= set(difference.real)
        and not any("unknown field" in text for text in set(difference.real) - set(difference.local))
    )


def _bookmark_row(exchange: Exchange, difference: Difference) -> bool:
    return difference.place.endswith("rows[0].cells") and difference.local is None


def _server_address(exchange: Exchange, difference: Difference) -> bool:
    return difference.place.startswith("body.serverAddressByClientCIDRs")


def _not_served(exchange: Exchange, difference: Difference) -> bool:
    text = exchange.real.headers.get("content-type", "").startswith("text/plain")
    return exchange.real.code == exchange.local.code == 404 and text


def _cached_revision(exchange: Exchange, difference: Difference) -> bool:
    query = dict(exchange.step.query)
    cached = query.get("resourceVersion") and query.get("resourceVersionMatch") != "Exact"
    return bool(cached) and difference.place == "body.metadata.resourceVersion"


ACCEPTED: Sequence[Accepted] = (
    Accepted(
        "zero-fields",
        "A field that is empty (null, an empty string, list or object, 0, false) may be left out",
        "Go writes some fields that nobody has set and drops others that were set to nothing; clients read both alike",
        _zero_field,
    ),
    Accepted(
        "words",
        "The words of a refusal where a program has written them: of decoders, parsers and matchers of Go",
        "code, reason and fields are the same; nobody compares these words",
        loose,
    ),
    Accepted(
        "column-texts",
        "The descriptions of table columns",
        "kubectl does not show them",
        _column_text,
    ),
    Accepted(
        "default-tolerations",
        "Pods get no tolerations for lost nodes by default",
        "the controller of lost nodes takes the default for granted, so that simulated ones may choose a shorter time",
        _default_tolerations,
        diverges=True,
    ),
    Accepted(
        "account-tokens",
        "Pods get no volume with a token of their service account, which need not exist",
        "processes of this machine need none to reach the API server; a pod that asks for one is told so",
        _token_volume,
        diverges=True,
    ),
    Accepted(
        "new-node-taint",
        "A new node is not tainted as not ready",
        "the controller that would take the taint away is not here; the scheduler looks at the condition",
        _node_taint,
        diverges=True,
    ),
    Accepted(
        "served-kinds",
        "Only the kinds that operators and kubectl use are served and found by discovery",
        "an object that nothing acts on would mislead",
        _discovery,
    ),
    Accepted(
        "server-address",
        "Discovery names no address of the server",
        "there is one, which the client has used",
        _server_address,
    ),
    Accepted(
        "bookmark-cells",
        "The row of a bookmark in a watch of tables has no cells",
        "those of the real server are those of an empty object",
        _bookmark_row,
    ),
    Accepted(
        "storage-hashes",
        "The storage version hashes of discovery",
        "they are only compared with one another",
        _storage_hash,
    ),
    Accepted(
        "no-protobuf",
        "Answers are never protobuf, though bodies may be",
        "every client that asks for it takes JSON too",
        _protobuf,
    ),
    Accepted(
        "server-errors",
        "Requests that the real server answers with code 500 get one of the 400s, or an answer",
        "the fault is the client's, or there is none",
        _server_error,
    ),
    Accepted(
        "stored-kinds",
        "Kinds that are only stored (endpoints, budgets, roles, nodes, accounts, events) may hold what makes no sense",
        "nothing here acts on them",
        _stored_kind,
        diverges=True,
    ),
    Accepted(
        "duplicate-fields",
        "A field that is given twice in JSON is not reported; the last one counts",
        "what kubectl sends has been through a decoder that finds them",
        _duplicate_fields,
        diverges=True,
    ),
    Accepted(
        "patch-directives",
        "A directive of a strategic merge patch for what is not there is dropped in silence",
        "kubectl sends none; the real server takes it for an unknown field",
        _directives,
        diverges=True,
    ),
    Accepted(
        "definition-faults",
        "Of a wrong CustomResourceDefinition, not every fault is found, nor under the name that older versions gave it",
        "the first one that is mended leads to the next",
        _definition_faults,
    ),
    Accepted(
        "pod-warnings",
        "Warnings about questionable pods are not given",
        "none of them is about what is stored",
        _pod_warnings,
    ),
    Accepted(
        "unknown-paths",
        "A path below which nothing is served is refused with a Status, not with a line of text",
        "clients say the same of both",
        _not_served,
    ),
    Accepted(
        "cached-revision",
        "The revision of a list that any version may serve is that of the newest change, not an older one",
        "the real server answers from a cache of the kind alone",
        _cached_revision,
    ),
)


def explanation(exchange: Exchange, difference: Difference) -> Accepted | None:
    return next((item for item in ACCEPTED if item.recognise(exchange, difference)), None)
