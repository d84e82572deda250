"""Field validation: what becomes of fields that a kind does not have."""

import pytest

from conformance.api import JSON_PATCH, MERGE, Api, Object, config_map, pending_pod
from conformance.widgets import Widgets


def odd_pod() -> Object:
    pod = pending_pod("a", restartPolice="Never")
    pod["spec"]["containers"][0]["imagee"] = "x"
    return pod


async def test_strict(api: Api) -> None:
    answer = await api.refused(400, "BadRequest", "POST", api.path("pods"), odd_pod(), fieldValidation="Strict")
    assert answer.message.startswith('Pod in version "v1" cannot be handled as a Pod: strict decoding error: ')
    for field in ("spec.restartPolice", "spec.containers[0].imagee"):
        assert f'unknown field "{field}"' in answer.message


@pytest.mark.parametrize("query", [{}, {"fieldValidation": "Warn"}])
async def test_warn(api: Api, query: dict[str, str]) -> None:
    answer = await api("POST", api.path("pods"), odd_pod(), **query)
    assert answer.code == 201
    assert '299 - "unknown field \\"spec.restartPolice\\""' in answer.warnings
    assert '299 - "unknown field \\"spec.containers[0].imagee\\""' in answer.warnings
    assert "restartPolice" not in answer.object["spec"]


async def test_ignore(api: Api) -> None:
    answer = await api("POST", api.path("pods"), odd_pod(), fieldValidation="Ignore")
    assert answer.code == 201
    assert not answer.warnings
    assert "imagee" not in answer.object["spec"]["containers"][0]


async def test_strict_has_nothing_against_known_fields(api: Api) -> None:
    answer = await api("POST", api.path("pods"), pending_pod("a"), fieldValidation="Strict")
    assert (answer.code, answer.warnings) == (201, "")


async def test_strict_in_an_update(api: Api) -> None:
    await api.create("configmaps", config_map("a"))
    body, path = config_map("a") | {"extra": 1}, api.path("configmaps", "a")
    answer = await api.refused(400, "BadRequest", "PUT", path, body, fieldValidation="Strict")
    assert 'strict decoding error: unknown field "extra"' in answer.message


@pytest.mark.parametrize(
    ("media", "patch"),
    [(MERGE, {"extra": 1}), (JSON_PATCH, [{"op": "add", "path": "/extra", "value": 1}])],
)
async def test_strict_in_a_patch(api: Api, media: str, patch: object) -> None:
    await api.create("configmaps", config_map("a"))
    path = api.path("configmaps", "a")
    answer = await api.refused(422, "Invalid", "PATCH", path, patch, content_type=media, fieldValidation="Strict")
    assert answer.causes == [("patch", "FieldValueInvalid")]
    assert 'strict decoding error: unknown field "extra"' in answer.message


async def test_warnings_of_a_patch(api: Api) -> None:
    await api.create("configmaps", config_map("a"))
    answer = await api("PATCH", api.path("configmaps", "a"), {"extra": 1}, content_type=MERGE)
    assert answer.code == 200
    assert '299 - "unknown field \\"extra\\""' in answer.warnings


async def test_strict_for_a_custom_resource(widgets: Widgets) -> None:
    obj = widgets.new("a", extra=1, parts=[{"key": "k", "odd": 1}], quotas={"x": {"limit": 1, "odd": 1}})
    answer = await widgets.api.refused(400, "BadRequest", "POST", widgets.path(), obj, fieldValidation="Strict")
    assert answer.message.startswith('Widget in version "v1" cannot be handled as a Widget: strict decoding error: ')
    for field in ("spec.extra", "spec.parts[0].odd", "spec.quotas.x.odd"):
        assert f'unknown field "{field}"' in answer.message


async def test_warnings_for_a_custom_resource(widgets: Widgets) -> None:
    answer = await widgets.api("POST", widgets.path(), widgets.new("a", extra=1))
    assert answer.code == 201
    assert '299 - "unknown field \\"spec.extra\\""' in answer.warnings


async def test_a_custom_resource_keeps_what_it_says_it_keeps(widgets: Widgets) -> None:
    obj = widgets.new("a", free={"any": 1})
    answer = await widgets.api("POST", widgets.path(), obj, fieldValidation="Strict")
    assert (answer.code, answer.warnings, answer.object["spec"]["free"]) == (201, "", {"any": 1})


async def test_unknown_metadata(widgets: Widgets) -> None:
    obj = widgets.new("a")
    obj["metadata"]["extra"] = 1
    answer = await widgets.api.refused(400, "BadRequest", "POST", widgets.path(), obj, fieldValidation="Strict")
    assert 'unknown field "metadata.extra"' in answer.message


async def test_strict_in_a_dry_run(widgets: Widgets) -> None:
    obj = widgets.new("a", extra=1)
    query = {"fieldValidation": "Strict", "dryRun": "All"}
    await widgets.api.refused(400, "BadRequest", "POST", widgets.path(), obj, **query)
