"""The operators whose jobs are taken over: how their Deployments and admission webhooks are recognised."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kdl_runtime.types import ObjectKey
from kdl_workloads.dialects.metadata import readable

PEER_IMAGES = frozenset(
    {
        "kubedl",
        "training-operator",
        "mpi-operator",
        "tf-operator",
        "tf_operator",
        "pytorch-operator",
        "xgboost-operator",
        "mxnet-operator",
    }
)
"""Last part of the image's repository, which a copy in a registry of one's own keeps."""

PEER_FINALIZERS = frozenset({"kubedl.io/preempt-protector"})
"""On pods of KubeDL's elastic jobs. Without KubeDL nobody takes it off, and a deleted pod would stay for ever."""


@dataclass(frozen=True, slots=True)
class PeerOperator:
    """A Deployment that runs one of the operators. ``replicas``: as its spec says."""

    key: ObjectKey
    image: str
    replicas: int
    selector: Mapping[str, str]


def peer_operator(deployment: Mapping[str, Any], chosen: Collection[ObjectKey] = ()) -> PeerOperator | None:
    """The operator in a Deployment (as a dict): one of ``chosen``, or one with a known image; None for another one."""
    metadata, spec = deployment["metadata"], readable(deployment.get("spec"))
    key = ObjectKey(metadata["namespace"], metadata["name"])
    images = list(_images(spec))
    known = next((image for image in images if _repository(image) in PEER_IMAGES), None)
    if known is None and key not in chosen:
        return None
    selector = readable(readable(spec.get("selector")).get("matchLabels"))
    return PeerOperator(key, known or ", ".join(images), int(spec.get("replicas", 1)), dict(selector))


def _images(spec: Mapping[str, Any]) -> Iterator[str]:
    pod = readable(readable(spec.get("template")).get("spec"))
    for container in pod.get("containers") or ():
        yield str(container.get("image") or "")


def _repository(image: str) -> str:
    return image.split("@")[0].rpartition("/")[2].partition(":")[0]


def calls_for(configuration: Mapping[str, Any], groups: frozenset[str]) -> bool:
    """Whether a webhook configuration has a webhook that the API server calls for objects of one of these API groups.
    Once its operator is gone, the call fails, and with it every write of a job."""
    return any(
        groups & set(rule.get("apiGroups") or ())
        for webhook in configuration.get("webhooks") or ()
        for rule in webhook.get("rules") or ()
    )


def unserved_versions(definition: Mapping[str, Any], versions: Collection[str]) -> list[str]:
    """Versions in which objects of a CustomResourceDefinition may still be stored, and that are not among ``versions``:
    the API server refuses a definition without them."""
    stored = readable(definition.get("status")).get("storedVersions") or ()
    return [version for version in stored if version not in versions]
