"""What the API server fills into a pod (``k8s.io/kubernetes/pkg/apis/core/v1/defaults.go``), in place."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from kdl_local.apiserver.defaults import default_string
from kdl_local.apiserver.types import Object
from kdl_runtime.codec.quantity import canonical_quantity

_CONTAINER_LISTS = ("initContainers", "containers", "ephemeralContainers")
_FILE_MODE = 0o644
_IMAGE = re.compile(r"[a-zA-Z0-9.-]+(:[0-9]+)?/[a-z0-9._/-]+(:[\w.-]+)?|[a-z0-9._/-]{1,255}(:[\w.-]+)?")
_TOKEN_SECONDS = 3600
_QOS_RESOURCES = ("cpu", "memory")


def default_pod(pod: Object) -> None:
    """Spec and status of a pod. The status is completed only where it is empty, as on a create."""
    spec = pod.setdefault("spec", {})
    default_pod_spec(spec)
    spec.setdefault("enableServiceLinks", True)
    if spec["terminationGracePeriodSeconds"] < 0:
        spec["terminationGracePeriodSeconds"] = 1
    for container in containers(spec):
        _default_requests(container["resources"])
    status = pod.setdefault("status", {})
    status.setdefault("phase", "Pending")
    status.setdefault("qosClass", qos_class(spec))


def default_pod_template(template: Object) -> None:
    """The object of kind PodTemplate."""
    spec = (template.get("template") or {}).get("spec")
    if spec is not None:
        default_pod_spec(spec)


def default_pod_spec(spec: Object) -> None:
    default_string(spec, "restartPolicy", "Always")
    default_string(spec, "dnsPolicy", "ClusterFirst")
    default_string(spec, "schedulerName", "default-scheduler")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("securityContext", {})
    for container in containers(spec):
        _default_container(container, host_network=bool(spec.get("hostNetwork")))
    for volume in spec.get("volumes") or ():
        _default_volume(volume)


def containers(spec: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Init, ordinary and ephemeral containers, in this order."""
    for name in _CONTAINER_LISTS:
        yield from spec.get(name) or ()


def _default_container(container: dict[str, Any], *, host_network: bool) -> None:
    default_string(container, "terminationMessagePath", "/dev/termination-log")
    default_string(container, "terminationMessagePolicy", "File")
    default_string(container, "imagePullPolicy", pull_policy(container.get("image") or ""))
    for port in container.get("ports") or ():
        default_string(port, "protocol", "TCP")
        if host_network and "containerPort" in port:
            port.setdefault("hostPort", port["containerPort"])
    for entry in container.get("env") or ():
        field = (entry.get("valueFrom") or {}).get("fieldRef")
        if field is not None:
            field.setdefault("apiVersion", "v1")
    _default_resources(container.setdefault("resources", {}))
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(name) is not None:
            _default_probe(container[name])
    for hook in (container.get("lifecycle") or {}).values():
        if isinstance(hook, dict) and hook.get("httpGet") is not None:
            _default_http_get(hook["httpGet"])


def pull_policy(image: str) -> str:
    """Always for an image that is tagged ``latest`` or not at all, IfNotPresent for every other."""
    if "@" in image or not _IMAGE.fullmatch(image):
        return "IfNotPresent"
    _, colon, tag = image.rpartition("/")[2].partition(":")
    return "IfNotPresent" if colon and tag != "latest" else "Always"


def _default_resources(resources: dict[str, Any]) -> None:
    """Quantities get their canonical spelling."""
    for kind in ("limits", "requests"):
        for name, value in (resources.get(kind) or {}).items():
            try:
                resources[kind][name] = canonical_quantity(value)
            except ValueError:
                continue  # Validation names the field.


def _default_requests(resources: dict[str, Any]) -> None:
    """Of a pod, not of a template: a limit without a request requests that limit."""
    if limits := resources.get("limits"):
        requests = resources.setdefault("requests", {})
        for name, value in limits.items():
            requests.setdefault(name, value)


def _default_probe(probe: dict[str, Any]) -> None:
    for name, value in (("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)):
        probe.setdefault(name, value)
    if probe.get("httpGet") is not None:
        _default_http_get(probe["httpGet"])
    if "grpc" in probe:
        probe["grpc"].setdefault("service", "")


def _default_http_get(action: dict[str, Any]) -> None:
    default_string(action, "path", "/")
    default_string(action, "scheme", "HTTP")


def _default_volume(volume: dict[str, Any]) -> None:
    if set(volume) <= {"name"}:
        volume["emptyDir"] = {}
    for name in ("secret", "configMap", "downwardAPI", "projected"):
        if isinstance(volume.get(name), dict):
            volume[name].setdefault("defaultMode", _FILE_MODE)
    if isinstance(volume.get("hostPath"), dict):
        volume["hostPath"].setdefault("type", "")
    sources = [volume, *((volume.get("projected") or {}).get("sources") or ())]
    for source in sources:
        for item in (source.get("downwardAPI") or {}).get("items") or ():
            if item.get("fieldRef"):
                item["fieldRef"].setdefault("apiVersion", "v1")
        if source.get("serviceAccountToken"):
            source["serviceAccountToken"].setdefault("expirationSeconds", _TOKEN_SECONDS)


def qos_class(spec: Mapping[str, Any]) -> str:
    """Guaranteed when every container limits and requests the same cpu and memory, BestEffort when none names any."""
    guaranteed, named = True, False
    for container in [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]:
        resources = container.get("resources") or {}
        limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
        for name in _QOS_RESOURCES:
            named = named or name in limits or name in requests
            guaranteed = guaranteed and name in limits and requests.get(name, limits[name]) == limits[name]
    if not named:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"
