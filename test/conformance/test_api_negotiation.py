"""The forms in which clients ask for answers and send bodies."""

import pytest
import yaml

from conformance.api import PARTIAL, PARTIAL_LIST, TABLE, Api, config_map, pending_pod

YAML = "application/yaml"


async def test_a_body_in_yaml(api: Api) -> None:
    lines = ("apiVersion: v1", "kind: ConfigMap", "metadata:", "  name: a", "  annotations:", "    at: '2020-01-01'")
    text = "\n".join((*lines, "data:", "  x: |", "    one", ""))
    answer = await api("POST", api.path("configmaps"), text, content_type=YAML)
    assert answer.code == 201
    assert answer.headers["content-type"] == "application/json"
    assert answer.object["data"] == {"x": "one\n"}
    assert answer.object["metadata"]["annotations"] == {"at": "2020-01-01"}


async def test_an_answer_in_yaml(api: Api) -> None:
    made = await api.create("configmaps", config_map("a", x="1"))
    answer = await api("GET", api.path("configmaps", "a"), accept=YAML)
    assert answer.headers["content-type"] == YAML
    found = yaml.safe_load(answer.body)
    assert (found["kind"], found["data"]) == ("ConfigMap", {"x": "1"})
    assert found["metadata"]["uid"] == made["metadata"]["uid"]


@pytest.mark.parametrize("media", ["text/plain", "application/xml", "nonsense"])
async def test_a_body_of_an_unknown_type(api: Api, media: str) -> None:
    await api.refused(415, "UnsupportedMediaType", "POST", api.path("configmaps"), "{}", content_type=media)


@pytest.mark.parametrize(
    "accept", ["application/xml", "application/*", "application/json;as=Nonsense;g=meta.k8s.io;v=v1"]
)
async def test_an_answer_of_an_unknown_type(api: Api, accept: str) -> None:
    await api.create("configmaps", config_map("a"))
    answer = await api("GET", api.path("configmaps", "a"), accept=accept)
    assert answer.code == 406
    assert answer.object["reason"] == "NotAcceptable"


@pytest.mark.parametrize(
    "accept",
    ["*/*", "application/json", "application/xml, application/json", "application/json;q=0.5, text/x"],
)
async def test_answers_in_json(api: Api, accept: str) -> None:
    answer = await api("GET", api.path("configmaps"), accept=accept)
    assert (answer.code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.object["kind"] == "ConfigMapList"


async def test_the_first_form_that_can_be_given_is_taken(api: Api) -> None:
    found = await api.ok("GET", api.path("configmaps"), accept=f"application/json;as=Other;g=x;v=y, {TABLE}")
    assert found["kind"] == "Table"
    found = await api.ok("GET", api.path("configmaps"), accept=f"{TABLE},application/json")
    assert found["kind"] == "Table"


async def test_a_table(api: Api) -> None:
    made = await api.create("configmaps", config_map("a", {"t": "1"}, x="1", y="2"))
    table = await api.ok("GET", api.path("configmaps"), accept=TABLE, labelSelector="t=1")
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert int(table["metadata"]["resourceVersion"]) >= int(made["metadata"]["resourceVersion"])
    columns = [(item["name"], item["format"], item["priority"]) for item in table["columnDefinitions"]]
    assert columns == [("Name", "name", 0), ("Data", "", 0), ("Age", "", 0)]
    [row] = table["rows"]
    assert row["cells"][0] == "a"
    assert str(row["cells"][1]) == "2"
    assert (row["object"]["kind"], row["object"]["apiVersion"]) == ("PartialObjectMetadata", "meta.k8s.io/v1")
    assert row["object"]["metadata"]["uid"] == made["metadata"]["uid"]


async def test_a_table_of_one(api: Api) -> None:
    await api.create("configmaps", config_map("a"))
    table = await api.ok("GET", api.path("configmaps", "a"), accept=TABLE)
    assert [row["cells"][0] for row in table["rows"]] == ["a"]


async def test_a_table_with_whole_objects(api: Api) -> None:
    await api.create("configmaps", config_map("a", x="1"))
    table = await api.ok("GET", api.path("configmaps", "a"), accept=TABLE, includeObject="Object")
    [row] = table["rows"]
    assert (row["object"]["kind"], row["object"]["data"]) == ("ConfigMap", {"x": "1"})


async def test_a_table_without_objects(api: Api) -> None:
    await api.create("configmaps", config_map("a"))
    table = await api.ok("GET", api.path("configmaps", "a"), accept=TABLE, includeObject="None")
    assert not table["rows"][0].get("object")


async def test_a_table_in_pages(api: Api) -> None:
    for name in ("a", "b"):
        await api.create("configmaps", config_map(name, {"t": "1"}))
    table = await api.ok("GET", api.path("configmaps"), accept=TABLE, labelSelector="t=1", limit="1")
    assert [row["cells"][0] for row in table["rows"]] == ["a"]
    assert table["metadata"]["continue"]


async def test_the_columns_of_pods(api: Api) -> None:
    await api.create("pods", pending_pod("a"))
    table = await api.ok("GET", api.path("pods"), accept=TABLE)
    columns = [(item["name"], item["priority"]) for item in table["columnDefinitions"]]
    assert columns[:5] == [("Name", 0), ("Ready", 0), ("Status", 0), ("Restarts", 0), ("Age", 0)]
    assert columns[5:] == [("IP", 1), ("Node", 1), ("Nominated Node", 1), ("Readiness Gates", 1)]
    [row] = table["rows"]
    assert [*map(str, row["cells"][:4]), *row["cells"][5:]] == ["a", "0/1", "Pending", "0", *["<none>"] * 4]


async def test_an_object_as_metadata(api: Api) -> None:
    made = await api.create("configmaps", config_map("a", x="1"))
    found = await api.ok("GET", api.path("configmaps", "a"), accept=PARTIAL)
    assert found == {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": made["metadata"],
    }


async def test_a_list_as_metadata(api: Api) -> None:
    made = await api.create("configmaps", config_map("a", {"t": "1"}, x="1"))
    found = await api.ok("GET", api.path("configmaps"), accept=PARTIAL_LIST, labelSelector="t=1")
    assert (found["kind"], found["apiVersion"]) == ("PartialObjectMetadataList", "meta.k8s.io/v1")
    assert [item["metadata"] for item in found["items"]] == [made["metadata"]]
    assert "data" not in found["items"][0]


async def test_an_error_is_no_table(api: Api) -> None:
    await api.refused(404, "NotFound", "GET", api.path("configmaps", "none"), accept=f"{TABLE},application/json")
