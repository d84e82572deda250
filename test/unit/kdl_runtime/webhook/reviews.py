"""Reviews as an API server sends them."""

import json
from base64 import b64decode
from typing import Any


def admission_review(operation: str = "CREATE", version: str = "v1", **request: Any) -> bytes:
    """``object`` and ``oldObject`` have to be given."""
    return json.dumps(
        {
            "apiVersion": f"admission.k8s.io/{version}",
            "kind": "AdmissionReview",
            "request": {
                "uid": "u-1",
                "kind": {"group": "example.com", "version": "v1", "kind": "Guestbook"},
                "resource": {"group": "example.com", "version": "v1", "resource": "guestbooks"},
                "name": "one",
                "namespace": "team",
                "operation": operation,
                "userInfo": {"username": "alice", "groups": ["dev"]},
                "dryRun": False,
                **request,
            },
        }
    ).encode()


def patch_of(answer: dict[str, Any]) -> Any:
    return json.loads(b64decode(answer["response"]["patch"]))


def conversion_review(objects: list[Any], wanted: str = "example.com/v2", version: str = "v1") -> bytes:
    request = {"uid": "u-2", "desiredAPIVersion": wanted, "objects": objects}
    document = {"apiVersion": f"apiextensions.k8s.io/{version}", "kind": "ConversionReview", "request": request}
    return json.dumps(document).encode()
