"""Reviews: objects that are answered and never stored. Whoever is authenticated here may do everything."""

from collections.abc import Callable, Mapping
from typing import Any

from kdl_local.apiserver.request import Request
from kdl_local.apiserver.types import Object


def _access_review(obj: Object, _: Request) -> dict[str, Any]:
    return {"allowed": True, "reason": "this server lets everyone whom it knows do everything"}


def _rules_review(obj: Object, _: Request) -> dict[str, Any]:
    return {
        "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
        "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
        "incomplete": False,
    }


def _self_review(obj: Object, request: Request) -> dict[str, Any]:
    return {"userInfo": {"username": request.user, "groups": list(request.groups)}}


_AUTHORIZATION, _AUTHENTICATION = ("authorization.k8s.io", "v1"), ("authentication.k8s.io", "v1")

_REVIEWS: Mapping[tuple[str, str, str], tuple[str, Callable[[Object, Request], dict[str, Any]]]] = {
    (*_AUTHORIZATION, "selfsubjectaccessreviews"): ("SelfSubjectAccessReview", _access_review),
    (*_AUTHORIZATION, "subjectaccessreviews"): ("SubjectAccessReview", _access_review),
    (*_AUTHORIZATION, "localsubjectaccessreviews"): ("LocalSubjectAccessReview", _access_review),
    (*_AUTHORIZATION, "selfsubjectrulesreviews"): ("SelfSubjectRulesReview", _rules_review),
    (*_AUTHENTICATION, "selfsubjectreviews"): ("SelfSubjectReview", _self_review),
}


def is_review(group: str, version: str, plural: str) -> bool:
    return (group, version, plural) in _REVIEWS


def review(resource: tuple[str, str, str], obj: Object, request: Request) -> Object:
    """The review that was asked for, with its ``status`` filled in; ``resource`` is group, version and plural."""
    kind, status = _REVIEWS[resource]
    group, version, _ = resource
    meta = obj.get("metadata") or {"creationTimestamp": None}
    spec = {"spec": obj["spec"]} if "spec" in obj else {}
    return {"kind": kind, "apiVersion": f"{group}/{version}", "metadata": meta, **spec, "status": status(obj, request)}
