"""What a user says about the replicas of one type, the same in both API groups: order, claims and groups."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, WithJsonSchema

from kdl_workloads.api.base import ApiModel, Count, PersistentVolumeClaimTemplate, rule, rules
from kdl_workloads.api.failure import DependsOn

MAX_CLAIMS = 8
MAX_GROUPS = 16

Label = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
"""A DNS label (RFC 1123)."""
Retention = Literal["Retain", "Delete"]
Overlay = Annotated[dict[str, Any], WithJsonSchema({"type": "object", "x-kubernetes-preserve-unknown-fields": True})]
"""Part of a pod template. Its schema would be the template's once more, so the operator checks it instead."""


class ClaimRetention(ApiModel):
    when_finished: Retention | None = None
    """Delete the claims when the job succeeds or fails; they stay if not given."""
    when_deleted: Retention | None = None
    """Delete the claims with the job; they stay if not given."""


class ReplicaGroup(ApiModel):
    name: Label
    """Value of the label kdl.io/replica-group of its pods."""
    replicas: Count
    """How many replicas it has."""
    template: Overlay | None = None
    """What differs from the replica type's template, as a strategic merge patch."""


_NAMES = "spec.[…]ReplicaSpecs.<replica type>"

UNIQUE_CLAIMS = rule(
    "!has(self.volumeClaimTemplates) || self.volumeClaimTemplates.all(c, "
    "self.volumeClaimTemplates.exists_one(d, d.metadata.name == c.metadata.name))",
    f"{_NAMES}.volumeClaimTemplates has two templates of the same name",
)
CLAIMS_TO_RETAIN = rule(
    "!has(self.persistentVolumeClaimRetentionPolicy) || has(self.volumeClaimTemplates)",
    f"{_NAMES}.persistentVolumeClaimRetentionPolicy needs volumeClaimTemplates",
)
UNIQUE_GROUPS = rule(
    "!has(self.groups) || self.groups.all(g, self.groups.exists_one(h, h.name == g.name))",
    f"{_NAMES}.groups has two groups of the same name",
)
GROUPS_FIT = rule(
    "!has(self.groups) || !has(self.replicas) || self.groups.map(g, g.replicas).sum() <= self.replicas",
    f"{_NAMES}.replicas must not be less than the replicas of its groups together",
)


class ReplicaLife(ApiModel):
    """Fields of a replica spec."""

    model_config = ConfigDict(json_schema_extra=rules(UNIQUE_CLAIMS, CLAIMS_TO_RETAIN, UNIQUE_GROUPS, GROUPS_FIT))

    depends_on: list[DependsOn] | None = Field(default=None, max_length=8)
    """Replica types that must have come so far before this one has pods; an empty list waits for none, and without it
    the kind's own order holds."""
    volume_claim_templates: list[PersistentVolumeClaimTemplate] | None = Field(default=None, max_length=MAX_CLAIMS)
    """PersistentVolumeClaims that each replica has of its own, named <template>-<pod>. Each is a volume of the
    template's name, and stays when the pod is replaced."""
    persistent_volume_claim_retention_policy: ClaimRetention | None = None
    """What becomes of these claims."""
    groups: list[ReplicaGroup] | None = Field(default=None, max_length=MAX_GROUPS)
    """Replicas that differ from the others. Indexes run through the groups in their order; those beyond have the
    template as it is."""
