from typing import Any

import pytest

from kdl_cli.installation import covers, install
from kdl_runtime.resources.registry import CRDS
from kdl_runtime.types import ObjectKey
from kdl_workloads.crds import all_crds


@pytest.mark.parametrize(
    ("present", "wanted", "expected"),
    [
        ({"a": 1, "default": 2}, {"a": 1}, True),
        ({"a": 1}, {"a": 2}, False),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"versions": [{"name": "v1", "added": 1}]}, {"versions": [{"name": "v1"}]}, True),
        ({"versions": [{"name": "v1"}, {"name": "v2"}]}, {"versions": [{"name": "v1"}]}, False),
        ({"schema": {"x": 1, "gone": 2}}, {"schema": {"x": 1}}, False),
        ({"schema": {"x": 1}}, {"schema": {"x": 1}}, True),
    ],
)
def test_a_spec_covers_another(present: Any, wanted: Any, expected: bool) -> None:
    assert covers(present, wanted) is expected


async def test_only_what_has_changed_is_updated(cluster: Any) -> None:
    """The cluster has the CRDs already, with the API server's defaults in them."""
    crds = [crd for crd in all_crds() if crd["spec"]["names"]["kind"] == "XGBoostJob"]
    assert {item.change for item in await install(cluster.session, crds)} == {"unchanged"}
    name = crds[0]["metadata"]["name"]
    columns = crds[0]["spec"]["versions"][0]["additionalPrinterColumns"]
    changed = {**crds[0]["spec"]["versions"][0], "additionalPrinterColumns": columns[:1]}
    crds[0] = {**crds[0], "spec": {**crds[0]["spec"], "versions": [changed]}}
    assert [item.change for item in await install(cluster.session, crds)] == ["updated", "unchanged"]
    stored = await cluster.session.client.get(CRDS, ObjectKey("", name))
    assert stored["spec"]["versions"][0]["additionalPrinterColumns"] == columns[:1]
