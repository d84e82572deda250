from ipaddress import IPv4Network
from typing import Any

import pytest

from kdl_local.apiserver.services import assign_cluster_ip, default_service, service_errors
from kdl_runtime.errors import Invalid


def service(**spec: Any) -> dict[str, Any]:
    obj = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}], **spec}}
    default_service(obj)
    return obj


def test_defaults() -> None:
    spec = service()["spec"]
    assert spec["type"] == "ClusterIP"
    assert spec["sessionAffinity"] == "None"
    assert spec["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    assert service(clusterIP="None")["spec"]["clusterIPs"] == ["None"]


@pytest.mark.parametrize(
    ("taken", "address"),
    [((), "10.96.0.2"), (("10.96.0.2", "10.96.0.3"), "10.96.0.4"), (("10.96.0.3",), "10.96.0.2")],
)
def test_the_first_free_address_is_assigned(taken: tuple[str, ...], address: str) -> None:
    obj = service()
    assign_cluster_ip(obj, taken)
    assert (obj["spec"]["clusterIP"], obj["spec"]["clusterIPs"]) == (address, [address])


@pytest.mark.parametrize(
    "spec", [{"clusterIP": "None"}, {"clusterIP": "10.96.7.7"}, {"type": "ExternalName", "externalName": "a.b"}]
)
def test_services_that_keep_what_they_have(spec: dict[str, Any]) -> None:
    obj = service(**spec)
    assign_cluster_ip(obj, ())
    assert obj["spec"].get("clusterIP") == spec.get("clusterIP")


def test_an_exhausted_range_is_an_error() -> None:
    with pytest.raises(ValueError, match="no cluster IP is free in"):
        assign_cluster_ip(service(), {"10.0.0.2"}, IPv4Network("10.0.0.0/30"))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"ports": []}, "spec.ports: Required value"),
        ({"type": "Magic"}, 'spec.type: Unsupported value: "Magic": supported values: "ClusterIP", "ExternalName", '),
        ({"type": "ExternalName"}, "spec.externalName: Required value"),
        (
            {"ports": [{"port": 0, "targetPort": 1}]},
            "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
        ),
        ({"ports": [{"port": 1, "name": "a"}, {"port": 2}]}, "spec.ports[1].name: Required value"),
        (
            {"ports": [{"port": 1, "name": "a"}, {"port": 2, "name": "a"}]},
            'spec.ports[1].name: Duplicate value: "a"',
        ),
        ({"ports": [{"port": 1, "name": "a"}, {"port": 1, "name": "b"}]}, "spec.ports[1]: Duplicate value: {"),
        ({"selector": {"a b": "c"}}, 'spec.selector: Invalid value: "a b": name part must consist'),
    ],
)
def test_refused(spec: dict[str, Any], message: str) -> None:
    assert [str(error)[: len(message)] for error in service_errors(service(**spec), None)] == [message]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"clusterIP": "here"}, 'spec.clusterIPs[0]: Invalid value: "here": must be a valid IP address'),
        ({"clusterIP": "here", "type": "Odd"}, 'spec.clusterIPs[0]: Invalid value: "here": must be a valid IP address'),
        ({"clusterIP": "None", "type": "NodePort"}, 'spec.clusterIPs[0]: Invalid value: "None": may not be set to'),
        ({"ipFamilies": ["IPv6"]}, 'spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster'),
        ({"ipFamilies": ["IPv9"]}, 'spec.ipFamilies[0]: Unsupported value: "IPv9": supported values: "IPv4", "IPv6"'),
        (
            {"ipFamilies": ["IPv6"], "clusterIP": "10.96.0.9"},
            'spec.clusterIPs[0]: Invalid value: "10.96.0.9": expected an IPv6 value as indicated by `ipFamilies[0]`',
        ),
        (
            {"ipFamilyPolicy": "RequireDualStack"},
            'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster',
        ),
    ],
)
def test_wrong_addresses_are_told_alone(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(Invalid) as refusal:
        service_errors(service(**spec), None)
    assert str(refusal.value).startswith(f'Service "s" is invalid: {message}')


def test_no_address_of_a_family_that_the_cluster_has_not() -> None:
    obj = service(ipFamilies=["IPv6"])
    assign_cluster_ip(obj, ())
    assert "clusterIP" not in obj["spec"]


@pytest.mark.parametrize(
    "spec", [{}, {"clusterIP": "None", "ports": []}, {"selector": {"a": "b"}}, {"ipFamilyPolicy": "PreferDualStack"}]
)
def test_accepted(spec: dict[str, Any]) -> None:
    assert service_errors(service(**spec), None) == []


def test_an_assigned_address_stays() -> None:
    old, new = service(clusterIP="10.96.0.2"), service(clusterIP="10.96.0.3")
    assert [str(error) for error in service_errors(new, old)] == [
        'spec.clusterIPs[0]: Invalid value: ["10.96.0.3"]: may not change once set'
    ]
