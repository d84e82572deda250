"""Selectors, pages and resource versions of lists."""

import pytest

from conformance.api import Answer, Api, config_map, pending_pod


async def names(api: Api, plural: str = "configmaps", **query: str) -> list[str]:
    """Without what controllers put into every namespace."""
    found = await api.ok("GET", api.path(plural), **query)
    every = [item["metadata"]["name"] for item in found["items"]]
    return [name for name in every if name != "kube-root-ca.crt"]


@pytest.fixture
async def labelled(api: Api) -> Api:
    for name, labels in {"a": {"app": "x", "n": "1"}, "b": {"app": "y", "n": "5"}, "c": {"app": "z"}}.items():
        await api.create("configmaps", config_map(name, {"test": "yes", **labels}))
    return api


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("app=x", ["a"]),
        ("app==x", ["a"]),
        ("app!=x", ["b", "c"]),
        ("app in (x, y)", ["a", "b"]),
        ("app notin (x,y)", ["c"]),
        ("n", ["a", "b"]),
        ("!n", ["c"]),
        ("n>1", ["b"]),
        ("n<5", ["a"]),
        ("app,n=5", ["b"]),
        ("app=none", []),
        ("none=", []),
        ("n!=1", ["b", "c"]),
    ],
)
async def test_label_selectors(labelled: Api, selector: str, expected: list[str]) -> None:
    assert await names(labelled, labelSelector=f"test=yes,{selector}") == expected


@pytest.mark.parametrize("selector", ["app=x=y", "app in x", "a b", "=x", "app in (x", "n>x", "-a"])
async def test_bad_label_selectors(api: Api, selector: str) -> None:
    await api.refused(400, "BadRequest", "GET", api.path("configmaps"), labelSelector=selector)


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("metadata.name=a", ["a"]),
        ("metadata.name!=a", ["b", "c"]),
        ("metadata.name=none", []),
        ("metadata.name=a,metadata.name=b", []),
    ],
)
async def test_field_selectors(labelled: Api, selector: str, expected: list[str]) -> None:
    assert await names(labelled, fieldSelector=selector) == expected


async def test_field_and_label_selectors_together(labelled: Api) -> None:
    assert await names(labelled, fieldSelector="metadata.name!=a", labelSelector="n") == ["b"]


async def test_field_selectors_of_pods(api: Api) -> None:
    await api.create("pods", pending_pod("a", restartPolicy="Never"))
    await api.create("pods", pending_pod("b"))
    assert await names(api, "pods", fieldSelector="spec.restartPolicy=Never") == ["a"]
    assert await names(api, "pods", fieldSelector="status.phase=Pending,spec.nodeName=") == ["a", "b"]
    assert await names(api, "pods", fieldSelector="spec.schedulerName!=nobody") == []


async def test_field_selectors_of_secrets(api: Api) -> None:
    await api.create("secrets", {"metadata": {"name": "a"}, "type": "example.com/x"})
    await api.create("secrets", {"metadata": {"name": "b"}})
    assert await names(api, "secrets", fieldSelector="type=example.com/x") == ["a"]


@pytest.mark.parametrize(
    ("plural", "selector", "message"),
    [
        (
            "configmaps",
            "data.x=1",
            '"data.x" is not a known field selector: only "metadata.name", "metadata.namespace"',
        ),
        ("pods", "spec.hostname=x", "field label not supported: spec.hostname"),
    ],
)
async def test_unknown_field_selectors(api: Api, plural: str, selector: str, message: str) -> None:
    answer = await api.refused(400, "BadRequest", "GET", api.path(plural), fieldSelector=selector)
    assert answer.message.endswith(message)


async def test_a_field_selector_that_cannot_be_read(api: Api) -> None:
    await api.refused(400, "BadRequest", "GET", api.path("configmaps"), fieldSelector="metadata.name")


async def pages(api: Api, limit: int, **query: str) -> list[Answer]:
    found: list[Answer] = []
    token = ""
    while not found or token:
        more = {"continue": token} if token else {}
        found.append(await api("GET", api.path("configmaps"), limit=str(limit), **more, **query))
        assert found[-1].code == 200, found[-1].object
        token = found[-1].object["metadata"].get("continue", "")
    return found


async def test_pages_are_one_snapshot(api: Api) -> None:
    for index in range(5):
        await api.create("configmaps", config_map(f"a{index}", {"t": "1"}))
    first = await api.ok("GET", api.path("configmaps"), limit="2", labelSelector="t=1")
    await api.create("configmaps", config_map("a9", {"t": "1"}))
    await api.ok("DELETE", api.path("configmaps", "a3"))
    query = {"continue": first["metadata"]["continue"], "labelSelector": "t=1"}
    rest = await api.ok("GET", api.path("configmaps"), **query)
    assert [item["metadata"]["name"] for item in first["items"] + rest["items"]] == ["a0", "a1", "a2", "a3", "a4"]
    assert rest["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    assert "continue" not in rest["metadata"]


async def test_pages_count_what_remains(api: Api) -> None:
    for index in range(5):
        await api.create("leases", {"metadata": {"name": f"a{index}"}}, group_version="coordination.k8s.io/v1")
    path = api.path("leases", group_version="coordination.k8s.io/v1")
    found = await api.ok("GET", path, limit="2")
    assert (len(found["items"]), found["metadata"]["remainingItemCount"]) == (2, 3)
    found = await api.ok("GET", path, limit="2", **{"continue": found["metadata"]["continue"]})
    assert (len(found["items"]), found["metadata"]["remainingItemCount"]) == (2, 1)
    found = await api.ok("GET", path, limit="2", **{"continue": found["metadata"]["continue"]})
    assert (len(found["items"]), "remainingItemCount" in found["metadata"]) == (1, False)


async def test_pages_with_a_selector_do_not_count(labelled: Api) -> None:
    answers = await pages(labelled, 1, labelSelector="test=yes")
    items = [item["metadata"]["name"] for answer in answers for item in answer.object["items"]]
    assert items == ["a", "b", "c"]
    assert not any("remainingItemCount" in answer.object["metadata"] for answer in answers)


async def test_a_limit_that_is_not_reached(labelled: Api) -> None:
    found = await labelled.ok("GET", labelled.path("configmaps"), limit="500")
    assert not {"continue", "remainingItemCount"} & set(found["metadata"])


async def test_a_bad_continue_token(api: Api) -> None:
    query = {"continue": "nonsense", "limit": "1"}
    answer = await api.refused(400, "BadRequest", "GET", api.path("configmaps"), **query)
    assert answer.message.startswith("invalid continue token: continue key is not valid: ")


async def test_a_continue_token_excludes_a_resource_version(labelled: Api) -> None:
    found = await labelled.ok("GET", labelled.path("configmaps"), limit="1")
    query = {"continue": found["metadata"]["continue"], "resourceVersion": "1"}
    answer = await labelled.refused(400, "BadRequest", "GET", labelled.path("configmaps"), **query)
    assert answer.message == "specifying resource version is not allowed when using continue"


async def test_exactly_an_earlier_state(api: Api) -> None:
    await api.create("configmaps", config_map("a", {"t": "1"}))
    then = (await api.ok("GET", api.path("configmaps")))["metadata"]["resourceVersion"]
    await api.create("configmaps", config_map("b", {"t": "1"}))
    await api.ok("DELETE", api.path("configmaps", "a"))
    query = {"resourceVersion": then, "resourceVersionMatch": "Exact", "labelSelector": "t=1"}
    found = await api.ok("GET", api.path("configmaps"), **query)
    assert [item["metadata"]["name"] for item in found["items"]] == ["a"]
    assert found["metadata"]["resourceVersion"] == then


@pytest.mark.parametrize("match", ["", "NotOlderThan"])
async def test_a_state_that_is_not_older(api: Api, match: str) -> None:
    made = await api.create("configmaps", config_map("a"))
    query = {"resourceVersionMatch": match} if match else {}
    version = made["metadata"]["resourceVersion"]
    found = await api.ok("GET", api.path("configmaps"), resourceVersion=version, **query)
    assert "a" in [item["metadata"]["name"] for item in found["items"]]
    assert int(found["metadata"]["resourceVersion"]) >= int(version)


async def test_any_state(api: Api) -> None:
    found = await api.ok("GET", api.path("configmaps"), resourceVersion="0")
    assert int(found["metadata"]["resourceVersion"]) > 0


async def test_a_state_that_is_yet_to_come(api: Api) -> None:
    version = int((await api.ok("GET", api.path("configmaps")))["metadata"]["resourceVersion"])
    query = {"resourceVersion": str(version + 1_000_000), "resourceVersionMatch": "NotOlderThan"}
    answer = await api.refused(504, "Timeout", "GET", api.path("configmaps"), **query)
    assert answer.message.startswith(f"Timeout: Too large resource version: {version + 1_000_000}, current: ")
    assert answer.object["details"] == {
        "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
        "retryAfterSeconds": 1,
    }


@pytest.mark.parametrize("query", [{}, {"resourceVersionMatch": "Exact"}, {"resourceVersionMatch": "NotOlderThan"}])
async def test_a_resource_version_that_is_no_number(api: Api, query: dict[str, str]) -> None:
    await api.refused(400, "BadRequest", "GET", api.path("configmaps"), resourceVersion="soon", **query)


@pytest.mark.parametrize("name", ["limit", "timeoutSeconds"])
async def test_a_number_that_is_none(api: Api, name: str) -> None:
    await api.refused(400, "BadRequest", "GET", api.path("configmaps"), **{name: "many"})
