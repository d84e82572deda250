"""Look-ups and changes of pod templates."""

import copy
from typing import Any

import pytest

from kdl_workloads.template import (
    find_container,
    merge_env,
    pod_request,
    port_number,
    whole,
    with_env,
    with_port,
    with_volume,
)

TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {"a": "b"}},
    "spec": {
        "initContainers": [{"name": "init"}],
        "containers": [{"name": "side"}, {"name": "train", "env": [{"name": "A", "value": "1"}]}],
        "nodeSelector": {"gpu": "yes"},
    },
}


def var(name: str, value: str) -> dict[str, str]:
    return {"name": name, "value": value}


@pytest.mark.parametrize(
    ("own", "operator", "wanted"),
    [
        ([], [], []),
        ([var("A", "1")], [], [var("A", "1")]),
        ([var("A", "1")], [var("B", "2")], [var("A", "1"), var("B", "2")]),
        ([var("A", "1"), var("C", "3")], [var("A", "2")], [var("C", "3"), var("A", "2")]),
        ([var("A", "1"), var("A", "2")], [var("B", "3")], [var("A", "1"), var("A", "2"), var("B", "3")]),
        ([var("PYTHONUNBUFFERED", "1")], [var("PYTHONUNBUFFERED", "0")], [var("PYTHONUNBUFFERED", "1")]),
        ([], [var("PYTHONUNBUFFERED", "0")], [var("PYTHONUNBUFFERED", "0")]),
    ],
)
def test_merge_env(own: list[Any], operator: list[Any], wanted: list[Any]) -> None:
    assert merge_env(own, operator) == wanted


def test_env_goes_into_every_container_but_not_into_init_containers() -> None:
    before = copy.deepcopy(TEMPLATE)
    changed = with_env(TEMPLATE, [var("RANK", "0")])
    assert before == TEMPLATE
    assert [container["env"] for container in changed["spec"]["containers"]] == [
        [var("RANK", "0")],
        [var("A", "1"), var("RANK", "0")],
    ]
    assert changed["spec"]["initContainers"] == [{"name": "init"}]
    assert changed["spec"]["nodeSelector"] == {"gpu": "yes"}
    assert changed["metadata"] == TEMPLATE["metadata"]


def test_no_env_is_no_change() -> None:
    assert with_env(TEMPLATE, []) == TEMPLATE


@pytest.mark.parametrize(
    ("ports", "wanted"),
    [
        (None, [{"name": "p", "containerPort": 1}]),
        (
            [{"name": "web", "containerPort": 80}],
            [{"name": "web", "containerPort": 80}, {"name": "p", "containerPort": 1}],
        ),
        ([{"name": "p", "containerPort": 9}], [{"name": "p", "containerPort": 9}]),
    ],
)
def test_with_port(ports: list[Any] | None, wanted: list[Any]) -> None:
    template = {"spec": {"containers": [{"name": "train", "ports": ports}]}}
    assert with_port(template, "train", "p", 1)["spec"]["containers"][0]["ports"] == wanted


@pytest.mark.parametrize(
    ("container", "port", "number"), [("train", "p", 5), ("train", "q", None), ("other", "p", None)]
)
def test_port_number(container: str, port: str, number: int | None) -> None:
    template = {"spec": {"containers": [{"name": "train", "ports": [{"name": "p", "containerPort": 5}]}]}}
    assert port_number(template, container, port) == number


@pytest.mark.parametrize("template", [{}, {"spec": None}, {"spec": {"containers": None}}])
def test_nothing_is_found_in_an_empty_template(template: dict[str, Any]) -> None:
    assert find_container(template, "train") is None
    assert port_number(template, "train", "p") is None


def test_env_of_one_container() -> None:
    template = {"spec": {"containers": [{"name": "a"}, {"name": "b", "env": [{"name": "X", "value": "1"}]}]}}
    changed = with_env(template, [{"name": "Y", "value": "2"}], "a")
    assert changed["spec"]["containers"] == [
        {"name": "a", "env": [{"name": "Y", "value": "2"}]},
        {"name": "b", "env": [{"name": "X", "value": "1"}]},
    ]


@pytest.mark.parametrize(
    ("quantity", "number"), [("1500m", 2), ("2", 2), (3, 3), ("2Gi", 2**31), ("100M", 10**8), (0, 0), ("1n", 1)]
)
def test_whole_numbers(quantity: str | int, number: int) -> None:
    assert whole(quantity) == number


def requesting(*cpus: str) -> list[dict[str, Any]]:
    return [{"resources": {"requests": {"cpu": cpu}}} for cpu in cpus]


@pytest.mark.parametrize(
    ("spec", "cores"),
    [
        ({"containers": requesting("700m", "500m")}, 2),
        ({"containers": requesting("700m"), "initContainers": requesting("3", "1")}, 3),
        ({"containers": [{"resources": {"limits": {"cpu": "4"}}}, {}]}, 0),
        ({"containers": [{"resources": None}]}, 0),
        ({}, 0),
    ],
)
def test_what_a_pod_requests(spec: dict[str, Any], cores: int) -> None:
    assert pod_request({"spec": spec}, "cpu") == cores


def test_a_volume_takes_the_place_of_one_of_its_name() -> None:
    mine, other = {"name": "v", "emptyDir": {"medium": "Memory"}}, {"name": "w", "emptyDir": {}}
    template = {"spec": {"containers": [{"name": "a"}, {"name": "b"}], "volumes": [{"name": "v"}, other]}}
    changed = with_volume(template, mine, "a", "/v")
    assert changed["spec"]["volumes"] == [other, mine]
    assert changed["spec"]["containers"] == [
        {"name": "a", "volumeMounts": [{"name": "v", "mountPath": "/v"}]},
        {"name": "b"},
    ]
    assert with_volume(changed, mine, "a", "/v") == changed
