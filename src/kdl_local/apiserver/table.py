"""Tables (``meta.k8s.io/v1 Table``): how kubectl gets the columns that it prints.

https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from kdl_local.apiserver.duration import age
from kdl_local.apiserver.types import Column, Printer, ResourceType

_NAME_ONLY = Printer(
    (
        Column("Name", description="Name must be unique within a namespace.", format="name"),
        Column("Age", description="CreationTimestamp is the server time when this object was created."),
    ),
    lambda obj, now: [obj["metadata"].get("name", ""), age(obj["metadata"].get("creationTimestamp"), now)],
)


def render(
    type_: ResourceType,
    objects: Sequence[Mapping[str, Any]],
    now: datetime,
    *,
    list_meta: Mapping[str, Any] | None = None,
    include: str = "",
) -> dict[str, Any]:
    """The table of these objects, which are in the shape of ``type_``'s version.

    ``list_meta`` is the metadata of the list answer (resourceVersion, continue); for a single object, that object's
    resourceVersion. ``include`` is the query parameter includeObject: ``Metadata`` (also for the empty string),
    ``Object`` or ``None``.
    """
    printer = type_.printer or _NAME_ONLY
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": dict(list_meta or {}),
        "columnDefinitions": [_definition(column) for column in printer.columns],
        "rows": [_row(printer, obj, now, include) for obj in objects],
    }


def without_columns(table: dict[str, Any]) -> dict[str, Any]:
    """The table for the second and later events of a watch, which the real server sends without definitions."""
    return {**table, "columnDefinitions": None}


def _definition(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description,
        "priority": column.priority,
    }


def _row(printer: Printer, obj: Mapping[str, Any], now: datetime, include: str) -> dict[str, Any]:
    row: dict[str, Any] = {"cells": printer.cells(obj, now)}
    if include == "Object":
        row["object"] = obj
    elif include != "None":
        row["object"] = partial_metadata(obj)
    else:
        row["object"] = None
    return row


def partial_metadata(obj: Mapping[str, Any]) -> dict[str, Any]:
    """``PartialObjectMetadata`` of an object."""
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}
