"""The ``caBundle`` of webhook configurations and of conversions: by which API servers know a webhook's certificate."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kdl_runtime.client.client import Client, Patch, PatchType
from kdl_runtime.errors import Conflict, NotFound
from kdl_runtime.resources.registry import CRDS
from kdl_runtime.types import ObjectKey, Resource
from kdl_runtime.webhook.jsonpatch import Operation

VALIDATING = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "ValidatingWebhookConfiguration",
    "validatingwebhookconfigurations",
    namespaced=False,
)
MUTATING = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "MutatingWebhookConfiguration",
    "mutatingwebhookconfigurations",
    namespaced=False,
)

INJECTED_BY_CERT_MANAGER = (
    "cert-manager.io/inject-ca-from",
    "cert-manager.io/inject-ca-from-secret",
    "cert-manager.io/inject-apiserver-ca",
)
"""By these annotations cert-manager is told to write the bundle: https://cert-manager.io/docs/concepts/ca-injector/"""

ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class BundleTarget:
    """One object all of whose webhooks are served by this program."""

    resource: Resource
    name: str

    def __str__(self) -> str:
        return f"{self.resource.kind} {self.name}"


def validating_configuration(name: str) -> BundleTarget:
    """The ValidatingWebhookConfiguration of this name."""
    return BundleTarget(VALIDATING, name)


def mutating_configuration(name: str) -> BundleTarget:
    """The MutatingWebhookConfiguration of this name."""
    return BundleTarget(MUTATING, name)


def conversion_of(crd: str) -> BundleTarget:
    """``crd``: the name of the CustomResourceDefinition, ``crontabs.stable.example.com``."""
    return BundleTarget(CRDS, crd)


async def publish(client: Client, target: BundleTarget, bundle: bytes) -> bool:
    """Makes the bundle (PEM) that of the target; True if it had to be written. ApiError, TransportError.

    Nothing is written where it is right already, where cert-manager is told to write it, and where there is no target:
    then nobody calls the webhook.
    """
    key = ObjectKey("", target.name)
    for attempt in range(ATTEMPTS):
        try:
            operations = bundle_operations(await client.get(target.resource, key), bundle)
            if not operations:
                return False
            await client.patch(target.resource, key, Patch(PatchType.JSON, operations))
        except NotFound:
            return False
        except Conflict:
            if attempt == ATTEMPTS - 1:
                raise
        else:
            return True
    raise AssertionError("the last attempt returns or raises")


def bundle_operations(obj: Mapping[str, Any], bundle: bytes) -> list[Operation]:
    """The JSON patch that puts the bundle (PEM) into each webhook of a configuration, or into the conversion of a CRD;
    empty if there is nothing to do. It fails with Conflict if the object has changed since."""
    annotations = obj["metadata"].get("annotations") or {}
    if any(name in annotations for name in INJECTED_BY_CERT_MANAGER):
        return []
    encoded = b64encode(bundle).decode()
    changes = [
        {"op": "add", "path": f"{path}/caBundle", "value": encoded}
        for path, config in _client_configs(obj)
        if config.get("caBundle") != encoded
    ]
    if not changes:
        return []
    version = {"op": "replace", "path": "/metadata/resourceVersion", "value": obj["metadata"]["resourceVersion"]}
    return [version, *changes]


def _client_configs(obj: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """JSON pointers of the places, and what is there."""
    conversion = (obj.get("spec") or {}).get("conversion") or {}
    if conversion.get("strategy") == "Webhook":
        return [("/spec/conversion/webhook/clientConfig", conversion["webhook"]["clientConfig"])]
    webhooks = obj.get("webhooks") or ()
    return [(f"/webhooks/{index}/clientConfig", item["clientConfig"]) for index, item in enumerate(webhooks)]
