"""Strategic merge patch, for built-in types.

https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md
Where a merge patch replaces lists, this one merges those whose elements have a key. The keys are those of the
``patchMergeKey`` tags in k8s.io/api for pods, pod templates, services, nodes and what all objects have.
"""

from collections.abc import Mapping
from typing import Any

from kdl_runtime.codec.patch import copy_json
from kdl_runtime.errors import BadRequest

_DIRECTIVE = "$patch"
_RETAIN_KEYS = "$retainKeys"
_DELETE_FROM_LIST = "$deleteFromPrimitiveList/"
_ELEMENT_ORDER = "$setElementOrder/"

_CONTAINERS = frozenset({"containers", "initContainers", "ephemeralContainers"})
_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "volumes": "name",
    "env": "name",
    "imagePullSecrets": "name",
    "resourceClaims": "name",
    "schedulingGates": "name",
    "secrets": "name",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "hostAliases": "ip",
    "podIPs": "ip",
    "hostIPs": "ip",
    "topologySpreadConstraints": "topologyKey",
    "conditions": "type",
    "addresses": "type",
    "ownerReferences": "uid",
}
_SETS = frozenset({("metadata", "finalizers"), ("spec", "podCIDRs")})

Path = tuple[str, ...]


def apply_strategic(original: Mapping[str, Any], patch: Any) -> dict[str, Any]:
    """``original`` with the patch applied; shares nothing with its arguments. BadRequest for a malformed patch."""
    if patch is None:
        patch = {}
    if not isinstance(patch, Mapping):
        raise BadRequest("a strategic merge patch must be a JSON object")
    return _merge(original, patch, ())


def merge_key(path: Path) -> str | None:
    """The field that identifies the elements of the list at a path of field names; None for a list without one."""
    *parents, name = path
    if name != "ports":
        return _KEYS.get(name)
    if _CONTAINERS.intersection(parents):
        return "containerPort"
    return "port" if parents == ["spec"] else None


def _merge(original: Mapping[str, Any], patch: Mapping[str, Any], path: Path) -> dict[str, Any]:
    directive = patch.get(_DIRECTIVE)
    if directive == "delete":
        return {}
    if directive == "replace":
        original = {}
    elif directive not in (None, "merge"):
        raise BadRequest(f"unknown patch type {directive!r} in {'.'.join(path) or 'the patch'}")
    retained = patch.get(_RETAIN_KEYS)
    result = {key: copy_json(value) for key, value in original.items() if retained is None or key in retained}
    for key, value in patch.items():
        if key.startswith(_DELETE_FROM_LIST):
            _delete_from_list(result, key.removeprefix(_DELETE_FROM_LIST), value)
    for key, value in patch.items():
        if key.startswith("$"):
            continue
        if value is None:
            result.pop(key, None)
        elif key not in result and not _directs(value):
            # What is new is taken as it is, even if it names an element twice.
            result[key] = _without_nulls(value)
        else:
            result[key] = _value(result.get(key), value, (*path, key))
    for key, value in patch.items():
        name = key.removeprefix(_ELEMENT_ORDER)
        if name != key and isinstance(result.get(name), list):
            result[name] = _ordered(result[name], value, merge_key((*path, name)))
    return result


def _directs(value: Any) -> bool:
    """Whether there is a directive anywhere in it."""
    if isinstance(value, Mapping):
        return any(key.startswith("$") or _directs(item) for key, item in value.items())
    return isinstance(value, list) and any(map(_directs, value))


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return copy_json(value)


def _value(before: Any, value: Any, path: Path) -> Any:
    if isinstance(value, Mapping):
        return _merge(before if isinstance(before, Mapping) else {}, value, path)
    if isinstance(value, list):
        return _list(before if isinstance(before, list) else [], value, path)
    return value


def _list(before: list[Any], patch: list[Any], path: Path) -> list[Any]:
    if path in _SETS:
        return _interleaved([*before, *(item for item in patch if item not in before)], patch, before, None)
    key = merge_key(path)
    if key is None or not all(isinstance(item, Mapping) for item in patch):
        return [_value(None, item, path) if isinstance(item, Mapping) else copy_json(item) for item in patch]
    if any(item.get(_DIRECTIVE) == "replace" for item in patch):
        before, patch = [], [item for item in patch if item.get(_DIRECTIVE) != "replace"]
    result = list(before)
    for item in patch:
        _merge_element(result, item, key, path)
    return _interleaved(result, patch, before, key)


def _interleaved(merged: list[Any], patch: list[Any], before: list[Any], key: str | None) -> list[Any]:
    """The elements in the order that kube-apiserver gives them: those that the patch names in its order, the others in
    theirs; where both are lists of old elements, in the old order, and what is new as early as possible.
    """

    def identities(items: list[Any]) -> list[Any]:
        return [item.get(key) if key and isinstance(item, Mapping) else item for item in items]

    wanted, old = identities(patch), identities(before)
    found = list(zip(identities(merged), merged, strict=True))
    named = sorted((pair for pair in found if pair[0] in wanted), key=lambda pair: wanted.index(pair[0]))
    others = [pair for pair in found if pair[0] not in wanted]
    result: list[Any] = []
    while named or others:
        known = named and others and named[0][0] in old and others[0][0] in old
        if others and (not named or (known and old.index(others[0][0]) < old.index(named[0][0]))):
            result.append(others.pop(0)[1])
        else:
            result.append(named.pop(0)[1])
    return result


def _merge_element(elements: list[Any], patch: Mapping[str, Any], key: str, path: Path) -> None:
    """Merges one element into the list, in place."""
    if key not in patch:
        raise BadRequest(f"an element of {'.'.join(path)} in the patch does not contain declared merge key: {key}")
    places = [index for index, item in enumerate(elements) if item.get(key) == patch[key]]
    if patch.get(_DIRECTIVE) == "delete":
        for index in reversed(places):
            del elements[index]
    elif places:
        elements[places[0]] = _merge(elements[places[0]], patch, path)
    else:
        elements.append(_merge({}, patch, path))


def _delete_from_list(result: dict[str, Any], name: str, gone: Any) -> None:
    if isinstance(result.get(name), list) and isinstance(gone, list):
        result[name] = [item for item in result[name] if item not in gone]


def _ordered(elements: list[Any], order: Any, key: str | None) -> list[Any]:
    """Elements in the order asked for; those that the order does not name keep their places."""

    def identity(item: Any) -> Any:
        return item.get(key) if key and isinstance(item, Mapping) else item

    wanted = [identity(item) for item in order] if isinstance(order, list) else []
    named = sorted((item for item in elements if identity(item) in wanted), key=lambda x: wanted.index(identity(x)))
    following = iter(named)
    return [next(following) if identity(item) in wanted else item for item in elements]
