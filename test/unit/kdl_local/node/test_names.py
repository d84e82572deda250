from typing import Any

import pytest

from kdl_local.node.names import (
    Endpoint,
    HostsView,
    NameTable,
    ServiceView,
    endpoint_of,
    host_entries,
    hosts_file,
    hosts_view,
    service_view,
)
from kdl_runtime.types import ObjectKey


def key(name: str, namespace: str = "default") -> ObjectKey:
    return ObjectKey(namespace, name)


def endpoint(address: str = "127.64.0.1", *, ready: bool = True, **more: str) -> Endpoint:
    names = {name: more.pop(name, "") for name in ("hostname", "subdomain")}
    return Endpoint(address, ready, more or {"app": "web"}, **names)


WEB = ServiceView({"app": "web"})
QUALIFIED = "web.default web.default.svc web.default.svc.cluster.local"


def table(*pods: Endpoint, service: ServiceView = WEB) -> NameTable:
    result = NameTable()
    result.put_service(key("web"), service)
    for index, item in enumerate(pods):
        result.put_pod(key(f"p{index}"), item)
    return result


def test_a_service_resolves_to_its_ready_pods() -> None:
    names = table(endpoint("127.64.0.1"), endpoint("127.64.0.2"), endpoint("127.64.0.3", ready=False))
    assert names.lines("default") == [("127.64.0.1", f"web {QUALIFIED}"), ("127.64.0.2", f"web {QUALIFIED}")]


def test_other_namespaces_need_the_namespace_in_the_name() -> None:
    assert table(endpoint()).lines("other") == [("127.64.0.1", QUALIFIED)]


def test_not_ready_addresses_may_be_published() -> None:
    names = table(endpoint(ready=False), service=ServiceView({"app": "web"}, publish_not_ready=True))
    assert len(names.lines("default")) == 1


def test_host_names_below_their_subdomain() -> None:
    names = table(endpoint(app="web", hostname="w-0", subdomain="web"))
    assert [line[1].split()[0] for line in names.lines("default")] == ["web", "w-0.web"]


@pytest.mark.parametrize(
    "service", [ServiceView(), ServiceView({"app": "other"}), ServiceView({"app": "web", "tier": "front"})]
)
def test_services_that_select_nothing(service: ServiceView) -> None:
    assert table(endpoint(), service=service).lines("default") == []


def test_the_order_of_changes_does_not_matter() -> None:
    names = NameTable()
    names.put_pod(key("p"), endpoint(app="web", tier="front"))
    names.put_service(key("web"), ServiceView({"app": "web", "tier": "front"}))
    assert [line[0] for line in names.lines("default")] == ["127.64.0.1"]
    names.put_pod(key("p"), endpoint("127.64.0.9", app="web", tier="back"))
    assert names.lines("default") == []
    names.put_service(key("web"), ServiceView({"tier": "back"}))
    assert [line[0] for line in names.lines("default")] == ["127.64.0.9"]
    names.put_pod(key("p"), None)
    assert names.lines("default") == []
    names.put_service(key("web"), None)
    names.put_pod(key("p"), endpoint(tier="back"))
    assert names.lines("default") == []


def test_pods_of_another_namespace_are_not_selected() -> None:
    names = table()
    names.put_pod(key("p", "other"), endpoint())
    assert names.lines("default") == []


def test_the_revision_only_grows_when_a_name_changes() -> None:
    names = table(endpoint())
    before = names.revision
    names.put_pod(key("p0"), endpoint())
    names.put_pod(key("stranger"), endpoint("127.64.0.5", app="other"))
    assert names.revision == before
    names.put_pod(key("p0"), endpoint("127.64.0.7"))
    assert names.revision == before + 1


def pod(**changes: Any) -> dict[str, Any]:
    status = {"podIP": "127.64.0.4", "phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    metadata = {"name": "p", "namespace": "default", "labels": {"app": "web"}, **changes.pop("metadata", {})}
    return {"metadata": metadata, "spec": changes.pop("spec", {}), "status": {**status, **changes}}


@pytest.mark.parametrize(
    ("pod_", "ready"),
    [
        (pod(), True),
        (pod(conditions=[{"type": "Ready", "status": "False"}]), False),
        (pod(metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"}), False),
        (pod(phase="Succeeded"), None),
        (pod(podIP=""), None),
    ],
)
def test_what_a_pod_is_to_name_resolution(pod_: dict[str, Any], ready: bool | None) -> None:
    found = endpoint_of(pod_)
    assert (found.ready if found else None) is ready


def test_a_service_is_read_from_its_object() -> None:
    spec = {"selector": {"a": "b"}, "publishNotReadyAddresses": True}
    assert service_view({"spec": spec}) == ServiceView({"a": "b"}, publish_not_ready=True)


def test_the_hosts_file_of_a_pod() -> None:
    view = hosts_view(
        pod(spec={"hostname": "w-0", "subdomain": "w", "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["db", "d"]}]}),
        "127.64.0.4",
    )
    text = hosts_file(view, [("127.64.0.5", "web web.default")], ["10.1.1.1\tcorp"])
    assert text.splitlines()[1:] == [
        "127.0.0.1\tlocalhost",
        "::1\tlocalhost ip6-localhost ip6-loopback",
        "127.64.0.4\tw-0.w.default.svc.cluster.local w-0",
        "127.0.0.1\tkubernetes.default kubernetes.default.svc kubernetes.default.svc.cluster.local",
        "10.0.0.1\tdb d",
        "127.64.0.5\tweb web.default",
        "10.1.1.1\tcorp",
    ]


def test_a_pod_without_host_name_is_known_by_its_own_name() -> None:
    assert hosts_view(pod(), "127.64.0.4") == HostsView("default", "p", "127.64.0.4")


def test_the_hosts_own_entries_are_kept() -> None:
    text = "# comment\n127.0.0.1 localhost\n127.0.1.1 box box.lan # me\n\n::1 ip6-localhost\n10.0.0.7\tcorp\nbroken\n"
    assert host_entries(text) == ["127.0.1.1\tbox box.lan", "10.0.0.7\tcorp"]
