"""Reading the claims that each replica of a role has of its own."""

import re
from collections.abc import Mapping
from typing import Any

from kdl_workloads.dialects.base import SpecError
from kdl_workloads.dialects.metadata import mapping
from kdl_workloads.job import ClaimRetention

POLICY = "persistentVolumeClaimRetentionPolicy"
RETENTIONS = ("Retain", "Delete")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def read_claims(value: Mapping[str, Any], path: str) -> tuple[Mapping[str, Any], ...]:
    """The claim templates. Their names are also those of volumes of the pod, so each is there once."""
    given = value.get("volumeClaimTemplates")
    if given is None:
        return ()
    path = f"{path}.volumeClaimTemplates"
    if not isinstance(given, list):
        raise SpecError(path, f"is {given!r} and must be a list")
    names: set[str] = set()
    for position, template in enumerate(given):
        if not isinstance(template, Mapping):
            raise SpecError(f"{path}[{position}]", f"is {template!r} and must be an object")
        name = mapping(template, "metadata", f"{path}[{position}]").get("name")
        field = f"{path}[{position}].metadata.name"
        if not isinstance(name, str) or not _LABEL.fullmatch(name):
            raise SpecError(field, f"is {name!r} and must be lower-case letters, digits and '-', 63 at most")
        if name in names:
            raise SpecError(field, f"is {name!r}, which is another template's name")
        names.add(name)
    return tuple(given)


def read_retention(value: Mapping[str, Any], path: str) -> ClaimRetention:
    policy = mapping(value, POLICY, path)
    deletes = []
    for name in ("whenFinished", "whenDeleted"):
        given = policy.get(name) or RETENTIONS[0]
        if given not in RETENTIONS:
            raise SpecError(f"{path}.{POLICY}.{name}", f"is {given!r} and must be one of {', '.join(RETENTIONS)}")
        deletes.append(given == "Delete")
    return ClaimRetention(*deletes)
