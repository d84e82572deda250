from datetime import UTC, datetime
from typing import Any

import pytest

from kdl_local.apiserver.builtin import builtin
from kdl_local.apiserver.columns import PRINTERS
from kdl_local.apiserver.events import CONVERSION

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
META = {"name": "x", "creationTimestamp": "2026-01-31T11:00:00Z"}


def cells(name: str, **obj: Any) -> list[Any]:
    metadata = {**META, **obj.pop("metadata", {})}
    return PRINTERS[name].cells({"metadata": metadata, **obj}, NOW)


def test_every_printer_belongs_to_a_type() -> None:
    assert set(PRINTERS) == {item.resource.group_resource for item in builtin()}


@pytest.mark.parametrize("name", sorted(PRINTERS))
def test_an_almost_empty_object_has_a_cell_per_column(name: str) -> None:
    assert len(cells(name)) == len(PRINTERS[name].columns)


READY = {"type": "Ready", "status": "True"}


@pytest.mark.parametrize(
    ("name", "obj", "row"),
    [
        (
            "services",
            {
                "spec": {
                    "type": "ClusterIP",
                    "clusterIP": "10.96.0.2",
                    "ports": [{"port": 80}],
                    "selector": {"b": "c", "a": "b"},
                }
            },
            ["x", "ClusterIP", "10.96.0.2", "<none>", "80/TCP", "60m", "a=b,b=c"],
        ),
        (
            "services",
            {"spec": {"type": "LoadBalancer", "ports": [{"port": 80, "nodePort": 30080, "protocol": "UDP"}]}},
            ["x", "LoadBalancer", "<none>", "<pending>", "80:30080/UDP", "60m", "<none>"],
        ),
        (
            "services",
            {"spec": {"type": "ExternalName", "externalName": "a.b"}},
            ["x", "ExternalName", "<none>", "a.b", "<none>", "60m", "<none>"],
        ),
        (
            "nodes",
            {
                "metadata": {"labels": {"node-role.kubernetes.io/worker": "", "kubernetes.io/role": "gpu"}},
                "spec": {"unschedulable": True},
                "status": {
                    "conditions": [READY],
                    "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
                    "nodeInfo": {
                        "kubeletVersion": "v1",
                        "osImage": "os",
                        "kernelVersion": "6",
                        "containerRuntimeVersion": "kdl://1",
                    },
                },
            },
            ["x", "Ready,SchedulingDisabled", "gpu,worker", "60m", "v1", "127.0.0.1", "<none>", "os", "6", "kdl://1"],
        ),
        ("namespaces", {"status": {"phase": "Active"}}, ["x", "Active", "60m"]),
        ("configmaps", {"data": {"a": "", "b": ""}, "binaryData": {"c": ""}}, ["x", 3, "60m"]),
        ("secrets", {"type": "Opaque", "data": {"a": ""}}, ["x", "Opaque", 1, "60m"]),
        ("leases.coordination.k8s.io", {"spec": {"holderIdentity": "me"}}, ["x", "me", "60m"]),
        (
            "priorityclasses.scheduling.k8s.io",
            {"value": 10, "globalDefault": True, "preemptionPolicy": "Never"},
            ["x", 10, True, "60m", "Never"],
        ),
        (
            "endpoints",
            {"subsets": [{"addresses": [{"ip": f"10.0.0.{n}"} for n in range(5)], "ports": [{"port": 80}]}]},
            ["x", "10.0.0.0:80,10.0.0.1:80,10.0.0.2:80 + 2 more...", "60m"],
        ),
        (
            "customresourcedefinitions.apiextensions.k8s.io",
            {},
            ["x", "2026-01-31T11:00:00Z"],
        ),
        (
            "rolebindings.rbac.authorization.k8s.io",
            {
                "roleRef": {"kind": "Role", "name": "r"},
                "subjects": [{"kind": "User", "name": "u"}, {"kind": "ServiceAccount", "namespace": "n", "name": "s"}],
            },
            ["x", "Role/r", "60m", "u", "", "n/s"],
        ),
        (
            "poddisruptionbudgets.policy",
            {"spec": {"minAvailable": 1}, "status": {"disruptionsAllowed": 2}},
            ["x", "1", "N/A", 2, "60m"],
        ),
    ],
)
def test_rows(name: str, obj: dict[str, Any], row: list[Any]) -> None:
    assert cells(name, **obj) == row


@pytest.mark.parametrize(
    ("conditions", "state"),
    [
        ([], "Unknown"),
        ([READY], "Ready"),
        ([{**READY, "status": "Unknown"}], "NotReady"),
        ([{**READY, "status": "False"}], "NotReady"),
    ],
)
def test_the_state_of_a_node(conditions: list[Any], state: str) -> None:
    assert cells("nodes", status={"conditions": conditions})[1] == state


@pytest.mark.parametrize(
    ("times", "shown"),
    [
        (
            {"firstTimestamp": "2026-01-31T11:00:00Z", "lastTimestamp": "2026-01-31T11:59:00Z", "count": 4},
            ("60s", "60m", 4),
        ),
        ({"eventTime": "2026-01-31T11:00:00.000000Z"}, ("60m", "60m", 1)),
        (
            {
                "eventTime": "2026-01-31T11:00:00.000000Z",
                "series": {"count": 7, "lastObservedTime": "2026-01-31T11:58:00.000000Z"},
            },
            ("2m", "60m", 7),
        ),
    ],
)
def test_times_and_counts_of_events(times: dict[str, Any], shown: tuple[str, str, int]) -> None:
    row = cells("events", **times)
    assert (row[0], row[7], row[8]) == shown


def test_both_shapes_of_events_have_the_same_row() -> None:
    event = {
        "metadata": META,
        "type": "Normal",
        "reason": "Created",
        "message": " made ",
        "involvedObject": {"kind": "XGBoostJob", "name": "j", "fieldPath": "spec"},
        "reportingComponent": "kdl.io/operator",
        "reportingInstance": "kdl-1",
        "eventTime": "2026-01-31T11:59:30.000000Z",
    }
    row = PRINTERS["events"].cells(event, NOW)
    expected = ["30s", "Normal", "Created", "xgboostjob/j", "spec", "kdl.io/operator, kdl-1", "made", "30s", 1, "x"]
    assert row == expected
    assert PRINTERS["events.events.k8s.io"].cells(CONVERSION.from_storage(event), NOW) == expected
