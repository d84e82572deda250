from datetime import UTC, datetime
from typing import Any

import pytest

from kdl_local.apiserver.table import render
from kdl_local.apiserver.types import Column, Printer, ResourceType
from kdl_runtime.types import Resource

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
FOO = Resource("example.com", "v1", "Foo", "foos")
OBJECT = {"apiVersion": "v1", "kind": "Foo", "metadata": {"name": "x", "creationTimestamp": "2026-01-31T11:00:00Z"}}


def test_a_type_without_columns_shows_name_and_age() -> None:
    table = render(ResourceType(FOO), [OBJECT], NOW, list_meta={"resourceVersion": "7"})
    assert (table["kind"], table["apiVersion"], table["metadata"]) == (
        "Table",
        "meta.k8s.io/v1",
        {"resourceVersion": "7"},
    )
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Age"]
    assert table["rows"][0]["cells"] == ["x", "60m"]


@pytest.mark.parametrize(
    ("include", "expected"),
    [
        ("", {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": OBJECT["metadata"]}),
        ("Metadata", {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": OBJECT["metadata"]}),
        ("Object", OBJECT),
        ("None", None),
    ],
)
def test_the_object_of_a_row(include: str, expected: Any) -> None:
    assert render(ResourceType(FOO), [OBJECT], NOW, include=include)["rows"][0]["object"] == expected


def test_definitions_of_columns() -> None:
    printer = Printer((Column("Count", "integer", "How many.", 1, "int32"),), lambda obj, now: [3])
    table = render(ResourceType(FOO, printer=printer), [OBJECT], NOW)
    assert table["columnDefinitions"] == [
        {"name": "Count", "type": "integer", "format": "int32", "description": "How many.", "priority": 1}
    ]
    assert table["rows"][0]["cells"] == [3]
