"""The JSON codec: envelopes that leave their content undecoded."""

import pytest

from kdl_runtime.codec.json import (
    DecodeError,
    ValidationError,
    decode,
    decoder,
    encode,
    repeated_keys,
    split_event,
    split_list,
)
from kdl_runtime.codec.meta import PartialObject

POD = b'{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a","labels":{"x":"y"}},"spec":{"unknown":[1,2.5,null]}}'


def test_decode_and_encode_round_trip() -> None:
    assert encode(decode(POD)) == POD


def test_repeated_keys_are_found_at_every_depth() -> None:
    assert repeated_keys(b'{"a":1,"b":[{"c":1,"c":2,"c":3}],"a":2}') == ["c", "c", "a"]
    assert repeated_keys(POD) == []
    with pytest.raises(DecodeError):
        repeated_keys(b"a: 1")


def test_each_decode_is_a_fresh_object() -> None:
    first, second = decode(POD), decode(POD)
    first["spec"]["unknown"].append(3)
    assert second["spec"]["unknown"] == [1, 2.5, None]


def test_an_event_keeps_its_object_as_bytes() -> None:
    event = split_event(b'{"type":"ADDED","object":' + POD + b"}")
    assert event.type == "ADDED"
    assert bytes(event.object) == POD
    assert decoder(PartialObject)(event.object).metadata.name == "a"


def test_a_list_keeps_its_items_as_bytes() -> None:
    page = split_list(
        b'{"metadata":{"resourceVersion":"7","continue":"c","remainingItemCount":3},"items":[' + POD + b"]}"
    )
    assert (page.metadata.resource_version, page.metadata.continue_, page.metadata.remaining_item_count) == (
        "7",
        "c",
        3,
    )
    assert [bytes(item) for item in page.items or ()] == [POD]


def test_an_empty_list_may_have_null_items() -> None:
    assert split_list(b'{"metadata":{},"items":null}').items is None


@pytest.mark.parametrize("data", [b"", b"{", b'{"type":1}', b"[]", b'{"object":{}}'])
def test_what_is_no_event(data: bytes) -> None:
    with pytest.raises(DecodeError):
        split_event(data)


def test_a_wrong_type_is_told_from_broken_json() -> None:
    with pytest.raises(ValidationError, match=r"metadata\.name"):
        decoder(PartialObject)(b'{"metadata":{"name":7}}')


def test_decoders_are_built_once() -> None:
    assert decoder(PartialObject) is decoder(PartialObject)
