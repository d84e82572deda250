"""How the accepted differences are told from others: a predicate for each."""

import re
from typing import Any

from conformance.differential.compare import ABSENT, Difference
from conformance.differential.exchange import Exchange
from conformance.differential.kinds import LOST_NODES
from conformance.differential.normal import Normal
from conformance.differential.steps import OWN
from kdl_runtime.codec.json import decode

_NOT_SERVED = frozenset(
    {
        *("deployments", "statefulsets", "daemonsets", "replicasets", "replicationcontrollers", "controllerrevisions"),
        *("jobs", "cronjobs", "resourcequotas", "limitranges", "networkpolicies", "storageclasses", "runtimeclasses"),
    }
)
_SUBRESOURCES = frozenset({"ephemeralcontainers", "resize", "token", "proxy"})
_CUSTOM = ("toys.example.com", "own.example.com", "kubedl.io", "kubeflow.org")
_EMPTY = ("body.items", "body.details")
_NOT_READY = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}


def _is_zero(value: Any) -> bool:
    """What Go writes for a field that nobody has set."""
    if isinstance(value, dict):
        return all(_is_zero(item) for item in value.values())
    return value in (None, "", 0, False, ABSENT) or value == []


def _in_object(difference: Difference) -> bool:
    return difference.place.startswith(("body.", "events["))


def zero_field(exchange: Exchange, difference: Difference) -> bool:
    """Also the owner of such a field, though not one of a field that is not empty."""
    if any(group in exchange.step.path for group in _CUSTOM) and difference.place not in _EMPTY:
        return False
    if not _in_object(difference) or not _is_zero(difference.real) or not _is_zero(difference.local):
        return False
    if "managedFields" not in difference.path:
        return True
    return all(_is_zero(_owned(tree, difference.path)) for tree in _trees(exchange, difference))


def _trees(exchange: Exchange, difference: Difference) -> tuple[Any, Any]:
    """The two values that a difference is within."""
    if (found := re.match(r"events\[(\d+)\]", difference.place)) is None:
        return exchange.real.body, exchange.local.body
    index = int(found[1])
    return (exchange.real.events or [])[index][1], (exchange.local.events or [])[index][1]


def _owned(tree: Any, path: tuple[str | int, ...]) -> Any:
    """The value of the field that an entry of ``managedFields`` speaks of at a path."""
    place = path.index("managedFields")
    for key in path[: place - 1]:
        tree = tree[key]
    for element in map(str, path[place + 3 :]):
        kind, _, name = element.partition(":")
        if kind == "f" and isinstance(tree, dict):
            tree = tree.get(name, ABSENT)
        elif kind == "k" and isinstance(tree, list):
            keys = decode(name.encode())
            tree = next((item for item in tree if keys.items() <= item.items()), ABSENT)
    return tree


def column_text(exchange: Exchange, difference: Difference) -> bool:
    return ".columnDefinitions" in difference.place and difference.place.endswith(".description")


def _fields(answer: Normal) -> set[str]:
    """Of which a refusal speaks."""
    return {str(cause.get("field")) for cause in answer.body.get("details", {}).get("causes", ())}


def default_tolerations(exchange: Exchange, difference: Difference) -> bool:
    """Also in an update, where they make good for some that were left out."""
    if exchange.real.code == exchange.local.code == 422:
        return _fields(exchange.local) - _fields(exchange.real) == {"spec.tolerations"}
    if not difference.place.endswith("spec.tolerations") or not isinstance(difference.real, list):
        return False
    local = [] if difference.local == ABSENT else difference.local
    missing = [item for item in difference.real if item not in local]
    return len(difference.real) == len(local) + len(missing) and all(item in LOST_NODES for item in missing)


def token_volume(exchange: Exchange, difference: Difference) -> bool:
    if not difference.place.endswith(("spec.volumes", ".volumeMounts")) or not isinstance(difference.real, list):
        return False
    own = [item for item in difference.real if not str(item.get("name")).startswith("kube-api-access-")]
    return bool(own == ([] if difference.local == ABSENT else difference.local))


def node_taint(exchange: Exchange, difference: Difference) -> bool:
    """Whoever names the taint later is its owner here only."""
    if "/nodes" in exchange.step.path and difference.path[-2:] in (("fieldsV1", "f:spec"), ("f:spec", "f:taints")):
        taints = (_trees(exchange, difference)[0].get("spec") or {}).get("taints", [_NOT_READY])
        owned: Any = {"f:taints": {}} if difference.path[-1] == "f:spec" else {}
        return bool(difference.real == ABSENT and difference.local == owned and taints == [_NOT_READY])
    if not difference.place.endswith("spec.taints") or not isinstance(difference.real, list):
        return False
    own = [item for item in difference.real if item != _NOT_READY]
    return bool(own == ([] if difference.local == ABSENT else difference.local))


def claim_protection(exchange: Exchange, difference: Difference) -> bool:
    if "/persistentvolumeclaims" not in exchange.step.path or not difference.place.endswith("metadata.finalizers"):
        return False
    local = [] if difference.local == ABSENT else difference.local
    return bool(difference.real == [*local, "kubernetes.io/pvc-protection"])


def served(exchange: Exchange, difference: Difference) -> bool:
    """Discovery may say less than that of the real server, and nothing else."""
    path = exchange.step.path.rstrip("/")
    if path in ("/api", "/apis", "/api/v1"):
        listing = difference.place.startswith(("body.groups", "body.items", "body.resources"))
        local = difference.local
        if isinstance(local, list):
            # Definitions of other sequences come and go meanwhile.
            local = [item for item in local if not _is_foreign(item)]
        return listing and _covered(difference.real, local)
    return difference.place == "code" and exchange.local.code == 404 and path.rpartition("/")[2] in _NOT_SERVED


def no_subresource(exchange: Exchange, difference: Difference) -> bool:
    missing = exchange.local.code == 404 and exchange.step.path.rpartition("/")[2] in _SUBRESOURCES
    return missing and difference.place == "code"


def webhooks(exchange: Exchange, difference: Difference) -> bool:
    if difference.place != "code":
        return False
    if exchange.step.path.startswith("/apis/admissionregistration.k8s.io/"):
        return exchange.local.code == 404
    return exchange.local.code == 422 and _fields(exchange.local) == {"spec.conversion.strategy"}


def _is_foreign(item: Any) -> bool:
    """Whether what discovery lists belongs to another sequence."""
    name = str((item.get("metadata") or item).get("name")) if isinstance(item, dict) else ""
    return name.endswith("own.example.com") and not name.startswith(OWN)


def _covered(real: Any, local: Any) -> bool:
    """Whether ``real`` has all that ``local`` has, but for storage hashes, and for what it leaves empty."""
    if isinstance(real, dict) and isinstance(local, dict):
        return all(_covered(real.get(name), value) for name, value in local.items() if name != "storageVersionHash")
    if isinstance(real, list) and isinstance(local, list):
        return all(any(_covered(other, item) for other in real) for item in local)
    return real == local or real == "" or (real in (None, ABSENT) and local is None)


def storage_hash(exchange: Exchange, difference: Difference) -> bool:
    return difference.place.endswith(".storageVersionHash")


def protobuf(exchange: Exchange, difference: Difference) -> bool:
    sent = exchange.real.headers.get("content-type", "").startswith("application/vnd.kubernetes.protobuf")
    return sent and difference.place in ("header content-type", "body")


def server_error(exchange: Exchange, difference: Difference) -> bool:
    if exchange.real.code == exchange.local.code == 500:
        return difference.place in ("body.reason", "body.message", "body.details")
    if exchange.real.code != 500 or difference.place != "code":
        return False
    return 400 <= exchange.local.code < 500 or (exchange.step.method == "GET" and exchange.local.code == 200)


_STORED = ("endpoints", "endpointslices", "poddisruptionbudgets", "roles", "nodes", "serviceaccounts", "events")


def stored_kind(exchange: Exchange, difference: Difference) -> bool:
    """The real server refuses what the object says itself, not its metadata, and more of it than the local one."""
    if exchange.real.code != 422 or exchange.local.code not in (200, 201, 409, 422):
        return False
    told = {field for field in _fields(exchange.real) if not field.startswith("metadata")}
    return bool(told) and any(plural in exchange.step.path.split("/") for plural in _STORED)


def duplicate_fields(exchange: Exchange, difference: Difference) -> bool:
    if difference.place == "warnings":
        missing = set(difference.real) - set(difference.local)
        return bool(missing) and all("duplicate field" in text or "already set in map" in text for text in missing)
    return (
        difference.place == "code" and re.search("duplicate field|already set in map", str(difference.real)) is not None
    )


def wrong_kind(exchange: Exchange, difference: Difference) -> bool:
    if not exchange.real.code == exchange.local.code == 422:
        return False
    return "kind" in _fields(exchange.real) | _fields(exchange.local)


def directives(exchange: Exchange, difference: Difference) -> bool:
    if difference.place == "warnings":
        more = set(difference.real) - set(difference.local)
        return bool(more) and set(difference.local) < set(difference.real) and all(".$" in text for text in more)
    if difference.place == "code":
        return ".$" in str(difference.real)
    if any(_touches(difference, text) for text in exchange.real.warnings):
        return True
    told = difference.place.startswith(("body.details", "body.message"))
    return told and exchange.real.code == exchange.local.code == 422 and "$patch" in str(exchange.step.body)


def _touches(difference: Difference, warning: str) -> bool:
    """Whether a difference is in the list, or about its owners, in which a warning has found an unknown directive."""
    found = re.search(r'"(\S+?)(?:\[\d+\])?\.\$', warning)
    if found is None:
        return False
    listed = found[1]
    owners = "managedFields" in difference.path and f".f:{listed.rpartition('.')[2]}" in difference.place
    return owners or difference.place.startswith(f"body.{listed}")


def definition_status(exchange: Exchange, difference: Difference) -> bool:
    return "customresourcedefinitions" in exchange.step.path and "managedFields[1]" in difference.place


def definition_faults(exchange: Exchange, difference: Difference) -> bool:
    return exchange.real.code == exchange.local.code == 422 and "customresourcedefinitions" in exchange.step.path


def pod_warnings(exchange: Exchange, difference: Difference) -> bool:
    return (
        difference.place == "warnings"
        and "/pods" in exchange.step.path
        and set(difference.local) <= set(difference.real)
        and not any("unknown field" in text for text in set(difference.real) - set(difference.local))
    )


def bookmark_row(exchange: Exchange, difference: Difference) -> bool:
    return difference.place.endswith("rows[0].cells") and difference.local is None


def row_condition(exchange: Exchange, difference: Difference) -> bool:
    return ".rows[" in difference.place and difference.place.endswith("].conditions") and difference.local == ABSENT


def repeated_columns(exchange: Exchange, difference: Difference) -> bool:
    return difference.place.endswith("object.columnDefinitions") and difference.local is None


def server_address(exchange: Exchange, difference: Difference) -> bool:
    return difference.place.startswith("body.serverAddressByClientCIDRs")


def not_served(exchange: Exchange, difference: Difference) -> bool:
    text = exchange.real.headers.get("content-type", "").startswith("text/plain")
    return exchange.real.code == exchange.local.code == 404 and text


def other_rights(exchange: Exchange, difference: Difference) -> bool:
    return difference.place == "code" and exchange.real.code == 403 and "cannot " in str(difference.real)


def patched_nothing(exchange: Exchange, difference: Difference) -> bool:
    """A JSON patch that replaces or copies what is not there."""
    needs = isinstance(exchange.step.body, list) and any(
        isinstance(item, dict) and item.get("op") in ("replace", "copy") for item in exchange.step.body
    )
    refused = exchange.real.code == 200 and exchange.local.code == 422 and "does not exist" in str(difference.local)
    return needs and refused and difference.place == "code"
