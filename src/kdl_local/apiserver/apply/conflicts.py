"""The refusal of an apply that would change what others own (``managedfields/internal/conflict.go``)."""

from collections.abc import Sequence

from kdl_local.apiserver.apply.fieldset import path_text
from kdl_local.apiserver.apply.owners import Identity, identity_text
from kdl_local.apiserver.apply.ownership import Conflict
from kdl_runtime.codec.json import encode
from kdl_runtime.errors import Conflict as ConflictError


def conflict_error(conflicts: Sequence[Conflict]) -> ConflictError:
    """One cause per field, and a message that groups them by owner."""
    ordered = sorted(conflicts, key=lambda conflict: identity_text(conflict.identity))
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": f"conflict with {_owner_text(conflict)}",
            "field": path_text(conflict.path),
        }
        for conflict in ordered
    ]
    return ConflictError(_message(ordered), details={"causes": causes})


def _message(conflicts: Sequence[Conflict]) -> str:
    if len(conflicts) == 1:
        (only,) = conflicts
        return f"Apply failed with 1 conflict: conflict with {_owner_text(only)}: {path_text(only.path)}"
    by_owner: dict[Identity, list[Conflict]] = {}
    for conflict in conflicts:
        by_owner.setdefault(conflict.identity, []).append(conflict)
    lines = []
    for found in by_owner.values():
        lines.append(f"conflicts with {_owner_text(found[0])}:")
        lines += [f"- {path_text(conflict.path)}" for conflict in found]
    return f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(lines)


def _owner_text(conflict: Conflict) -> str:
    identity = conflict.identity
    text = encode(identity.manager).decode()
    if identity.subresource:
        text += f' with subresource "{identity.subresource}"'
    return text if identity.applies else f"{text} using {conflict.owned.api_version}"
