"""Conversion reviews, without a server."""

from typing import Any

import pytest

from kdl_runtime.errors import BadRequest
from kdl_runtime.webhook.conversion import TURN, ConversionError, HubAndSpokes, Spoke, review
from unit.kdl_runtime.webhook.reviews import conversion_review

Object = dict[str, Any]


def book(version: str, **spec: Any) -> Object:
    metadata = {"name": "one", "uid": "x", "labels": {"a": "b"}, "managedFields": [{"manager": "m"}]}
    return {"apiVersion": f"example.com/{version}", "kind": "Guestbook", "metadata": metadata, "spec": spec}


def v1_to_hub(obj: Object) -> Object:
    host, _, port = obj["spec"].pop("address").partition(":")
    obj["spec"] |= {"host": host, "port": int(port)}
    return obj


async def hub_to_v1(obj: Object) -> Object:
    return {"spec": {"address": f"{obj['spec']['host']}:{obj['spec']['port']}"}}


def v3_from_hub(obj: Object) -> Object:
    obj["metadata"]["annotations"] = {"port": str(obj["spec"].pop("port"))}
    obj["metadata"]["name"] = "another"
    return obj


def fail(_: Object) -> Object:
    raise KeyError("lost")


CONVERTER = HubAndSpokes("v2", {"v1": Spoke(v1_to_hub, hub_to_v1), "v3": Spoke(fail, v3_from_hub)})
CONVERTERS = {("example.com", "Guestbook"): CONVERTER}


async def converted(objects: list[Any], wanted: str = "example.com/v2") -> Object:
    response: Object = (await review(conversion_review(objects, wanted), CONVERTERS))["response"]
    return response


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
async def test_from_spoke_to_hub(version: str) -> None:
    answer = await review(conversion_review([book("v1", address="a:1")], version=version), CONVERTERS)
    assert answer == {
        "apiVersion": f"apiextensions.k8s.io/{version}",
        "kind": "ConversionReview",
        "response": {
            "uid": "u-2",
            "convertedObjects": [book("v2", host="a", port=1)],
            "result": {"status": "Success"},
        },
    }


async def test_from_spoke_to_spoke_by_the_hub_and_metadata_survives() -> None:
    [result] = (await converted([book("v1", address="a:1")], "example.com/v3"))["convertedObjects"]
    expected = book("v3", host="a")
    expected["metadata"]["annotations"] = {"port": "1"}
    assert result == expected


async def test_a_converter_that_forgets_the_metadata_loses_nothing() -> None:
    [result] = (await converted([book("v2", host="a", port=1)], "example.com/v1"))["convertedObjects"]
    assert result == book("v1", address="a:1")


async def test_what_has_the_version_already_is_left_alone_and_order_is_kept() -> None:
    objects = [book("v2", host=str(n), port=n) if n % 2 else book("v1", address=f"{n}:{n}") for n in range(2 * TURN)]
    found = (await converted(objects))["convertedObjects"]
    assert found == [book("v2", host=str(n), port=n) for n in range(2 * TURN)]


@pytest.mark.parametrize(
    ("objects", "wanted", "message"),
    [
        ([book("v2", host="a", port=1), book("v1", address="a:x")], "example.com/v2", "Guestbook one cannot be"),
        ([book("v9")], "example.com/v2", "there is no conversion for the version v9: there is v1, v2, v3"),
        ([book("v1", address="a:1")], "other.com/v2", "no conversion from Guestbook of example.com/v1 to other.com"),
        ([{**book("v1"), "kind": "Other"}], "example.com/v2", "no conversion from Other"),
        ([1], "example.com/v2", "no object"),
        ([], "", "names no desiredAPIVersion"),
    ],
)
async def test_one_failure_fails_all(objects: list[Any], wanted: str, message: str) -> None:
    response = await converted(objects, wanted)
    assert (response["uid"], response["convertedObjects"]) == ("u-2", [])
    assert response["result"]["status"] == "Failure"
    assert message in response["result"]["message"]


async def test_a_fault_is_counted_and_answered() -> None:
    counted: list[None] = []
    body = conversion_review([book("v3")])
    answer = await review(body, CONVERTERS, lambda: counted.append(None))
    assert answer["response"]["result"] == {"status": "Failure", "message": "the webhook has failed: KeyError: 'lost'"}
    assert len(counted) == 1


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"kind": "ConversionReview"}', b'{"kind": "ConversionReview", "apiVersion": "a.b/v1"}']
)
async def test_what_is_no_review(body: bytes) -> None:
    with pytest.raises(BadRequest):
        await review(body, CONVERTERS)


def test_the_hub_is_no_spoke() -> None:
    with pytest.raises(ValueError, match="v1 is the hub"):
        HubAndSpokes("v1", {"v1": Spoke(v1_to_hub, v1_to_hub)})


async def test_a_converter_may_say_why_not() -> None:
    async def refuse(_: Object, version: str) -> Object:
        raise ConversionError(f"not to {version}")

    answer = await review(conversion_review([book("v1")]), {("example.com", "Guestbook"): refuse})
    assert answer["response"]["result"]["message"].endswith("to example.com/v2: not to v2")
