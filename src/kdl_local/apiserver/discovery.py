"""Discovery documents: the legacy ones, one per group version, and the aggregated one that kubectl prefers.

https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from kdl_local.apiserver.negotiation import negotiate
from kdl_local.apiserver.types import ResourceType, ResourceTypes
from kdl_runtime.types import GroupVersionKind

_AGGREGATED_VERSIONS = ("v2",)

_CUSTOM_VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")

_SUBRESOURCE_VERBS = {
    "status": ("get", "patch", "update"),
    "scale": ("get", "patch", "update"),
    "log": ("get",),
    "binding": ("create",),
    "eviction": ("create",),
    "exec": ("create", "get"),
    "attach": ("create", "get"),
    "portforward": ("create", "get"),
    "finalize": ("update",),
    "token": ("create",),
}
_SUBRESOURCE_KINDS = {
    "scale": GroupVersionKind("autoscaling", "v1", "Scale"),
    "binding": GroupVersionKind("", "v1", "Binding"),
    "eviction": GroupVersionKind("policy", "v1", "Eviction"),
    "exec": GroupVersionKind("", "v1", "PodExecOptions"),
    "attach": GroupVersionKind("", "v1", "PodAttachOptions"),
    "portforward": GroupVersionKind("", "v1", "PodPortForwardOptions"),
    "token": GroupVersionKind("authentication.k8s.io", "v1", "TokenRequest"),
}


def document(types: ResourceTypes, path: str, accept: str = "") -> dict[str, Any] | None:
    """The document at a discovery path (``/api``, ``/apis``, ``/api/v1``, ``/apis/<group>[/<version>]``).

    None when there is nothing at the path. ``accept`` is the request's Accept header: the aggregated document is
    given at ``/api`` and ``/apis`` to a client that prefers it; ``content_type`` names what was given.
    """
    parts = [part for part in path.split("/") if part]
    match parts:
        case ["api"]:
            if version := aggregated_version(accept):
                return _aggregated(types, version, core=True)
            return {"kind": "APIVersions", "versions": types.groups().get("", []), "serverAddressByClientCIDRs": []}
        case ["apis"]:
            if version := aggregated_version(accept):
                return _aggregated(types, version, core=False)
            groups = [_group(group, versions) for group, versions in types.groups().items() if group]
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
        case ["apis", group] if group in types.groups():
            return {"kind": "APIGroup", "apiVersion": "v1", **_group(group, types.groups()[group])}
        case ["api", version]:
            return _resource_list(types, "", version)
        case ["apis", group, version]:
            return _resource_list(types, group, version)
    return None


def aggregated_version(accept: str) -> str | None:
    """The version of aggregated discovery that the client lists first, None if it lists plain JSON before it."""
    for item in accept.split(","):
        media, *parameters = (part.strip() for part in item.split(";"))
        options = dict(part.split("=", 1) for part in parameters if "=" in part)
        if media != "application/json":
            continue
        if not options.get("as"):
            return None
        if options["as"] == "APIGroupDiscoveryList" and options.get("v") in _AGGREGATED_VERSIONS:
            return options["v"]
    return None


def check_acceptable(path: str, accept: str) -> None:
    """NotAcceptable if the client takes nothing but forms of the aggregated document that there are not."""
    if aggregated_version(accept) is None or path.strip("/") not in ("api", "apis"):
        negotiate(accept)


def content_type(path: str, accept: str = "") -> str:
    """The Content-Type of ``document`` for the same arguments."""
    version = aggregated_version(accept) if path.strip("/") in ("api", "apis") else None
    if version is None:
        return "application/json"
    return f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"


def _group(group: str, versions: Sequence[str]) -> dict[str, Any]:
    entries = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions]
    return {"name": group, "versions": entries, "preferredVersion": entries[0]}


def _resource_list(types: ResourceTypes, group: str, version: str) -> dict[str, Any] | None:
    found = types.in_version(group, version)
    if not found:
        return None
    resources: list[dict[str, Any]] = []
    for item in found:
        resources.append(_resource(item))
        resources.extend(_legacy_subresource(item, name) for name in sorted(item.subresources))
    return {
        "kind": "APIResourceList",
        **({"apiVersion": "v1"} if group else {}),
        "groupVersion": f"{group}/{version}" if group else version,
        "resources": resources,
    }


def _resource(item: ResourceType) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": item.resource.plural,
        "singularName": item.singular,
        "namespaced": item.namespaced,
        "kind": item.resource.kind,
        "verbs": _verbs(item),
        "storageVersionHash": storage_version_hash(item),
    }
    if item.short_names:
        entry["shortNames"] = list(item.short_names)
    if item.categories:
        entry["categories"] = list(item.categories)
    return entry


def _verbs(item: ResourceType) -> list[str]:
    """Sorted; those of custom resources in the order in which the real server gives them."""
    return [verb for verb in _CUSTOM_VERBS if verb in item.verbs] if item.custom else sorted(item.verbs)


def storage_version_hash(item: ResourceType) -> str:
    """A short hash of the group, version and kind of storage; clients only compare it."""
    gvk = item.storage_resource.gvk
    digest = hashlib.sha256(f"{gvk.group}/{gvk.version}/{gvk.kind}".encode()).hexdigest()
    return digest[:12]


def subresource_kind(item: ResourceType, name: str) -> GroupVersionKind:
    """The kind that a subresource takes and gives, such as Scale; most take that of the type itself."""
    return _SUBRESOURCE_KINDS.get(name, item.gvk)


def subresource_verbs(name: str) -> list[str]:
    """The verbs of a subresource, sorted."""
    return list(_SUBRESOURCE_VERBS.get(name, ("get",)))


def _legacy_subresource(item: ResourceType, name: str) -> dict[str, Any]:
    kind = subresource_kind(item, name)
    entry: dict[str, Any] = {
        "name": f"{item.resource.plural}/{name}",
        "singularName": "",
        "namespaced": item.namespaced,
        "kind": kind.kind,
        "verbs": subresource_verbs(name),
    }
    if (kind.group, kind.version) != (item.resource.group, item.resource.version):
        entry |= {"group": kind.group, "version": kind.version}
    return entry


def _aggregated(types: ResourceTypes, version: str, *, core: bool) -> dict[str, Any]:
    items = []
    for group, versions in types.groups().items():
        if (group == "") is not core:
            continue
        entries = [
            {
                "version": name,
                "resources": [_aggregated_resource(item) for item in types.in_version(group, name)],
                "freshness": "Current",
            }
            for name in versions
        ]
        metadata: Mapping[str, Any] = {"creationTimestamp": None, **({"name": group} if group else {})}
        items.append({"metadata": metadata, "versions": entries})
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": items,
    }


def _aggregated_resource(item: ResourceType) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "resource": item.resource.plural,
        "responseKind": _kind(item.gvk),
        "scope": "Namespaced" if item.namespaced else "Cluster",
        "singularResource": item.singular,
        "verbs": _verbs(item),
    }
    if item.short_names:
        entry["shortNames"] = list(item.short_names)
    if item.categories:
        entry["categories"] = list(item.categories)
    if item.subresources:
        entry["subresources"] = [
            {
                "subresource": name,
                "responseKind": _kind(subresource_kind(item, name)),
                "verbs": subresource_verbs(name),
            }
            for name in sorted(item.subresources)
        ]
    return entry


def _kind(gvk: GroupVersionKind) -> dict[str, str]:
    return {"group": gvk.group, "version": gvk.version, "kind": gvk.kind}
