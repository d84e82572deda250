"""Owners of the replica count, as the scale subresource shows and changes them (``managedfields/scalehandler.go``)."""

from kdl_local.apiserver.apply.builtin_types import builtin_type
from kdl_local.apiserver.apply.fieldset import Path, difference, has, of_paths
from kdl_local.apiserver.apply.owners import Identity, Owned, Owners
from kdl_local.apiserver.apply.ownership import Object, Version

SCALE_VERSION = "autoscaling/v1"
_REPLICAS: Path = ("f:spec", "f:replicas")


def scale_version(api_version: str) -> Version | None:
    """The one version of Scale."""
    return Version(builtin_type("io.k8s.api.autoscaling.v1.Scale")) if api_version == SCALE_VERSION else None


def replicas_path(json_path: str) -> Path:
    """The path of ``.spec.replicas``."""
    return tuple(f"f:{name}" for name in json_path.split(".") if name)


def to_scale(owners: Owners, path: Path) -> Owners:
    """Those who own the replica count at ``path`` of an object, as owners of a field of its Scale."""
    fields = of_paths([_REPLICAS])
    found: Owners = {}
    for identity, owned in owners.items():
        if has(owned.fields, path):
            version = "" if identity.applies else SCALE_VERSION
            found[identity._replace(api_version=version)] = Owned(fields, SCALE_VERSION, owned.time)
    return found


def without_zero(scale: Object) -> Object:
    """A Scale as Go writes it: a count of 0 is left out, so that nobody owns it."""
    spec = scale.get("spec")
    if not isinstance(spec, dict) or spec.get("replicas"):
        return scale
    return {**scale, "spec": {name: value for name, value in spec.items() if name != "replicas"}}


def to_object(owners: Owners, scale: Owners, path: Path, api_version: str) -> Owners:
    """The owners of an object after a write of its Scale has left these owners there."""
    fields = of_paths([path])
    waiting = {identity: owned for identity, owned in scale.items() if has(owned.fields, _REPLICAS)}
    result: Owners = {}
    for identity, owned in owners.items():
        if not has(owned.fields, path):
            result[identity] = owned
            continue
        version = "" if identity.applies else SCALE_VERSION
        if waiting.pop(identity._replace(api_version=version), None) is not None:
            result[identity] = owned
        elif left := difference(owned.fields, fields):
            result[identity] = owned.with_fields(left)
    for identity in waiting:
        version = "" if identity.applies else api_version
        key = Identity(identity.manager, identity.operation, version, identity.subresource)
        # The real server does not say when either.
        result[key] = Owned(fields, api_version)
    return result
