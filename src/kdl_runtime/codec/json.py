"""The only place that knows the JSON library.

``Raw`` is a piece of JSON that was delimited and not decoded. It points into the buffer that it came from: call
``bytes(raw)`` for what is to outlive that buffer, or one small item keeps a whole list answer in memory.
"""

import json
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

Raw = msgspec.Raw
DecodeError = msgspec.DecodeError
"""Raised for malformed JSON; its subclass ``ValidationError`` for JSON that does not fit the type asked for."""
ValidationError = msgspec.ValidationError

encode: Callable[[Any], bytes] = msgspec.json.Encoder().encode
"""Compact JSON of dicts, lists, scalars, dataclasses and structs."""

canonical: Callable[[Any], bytes] = msgspec.json.Encoder(order="deterministic").encode
"""As ``encode``, with the keys of every object sorted."""

_decoders: dict[type[Any], Callable[[bytes | Raw], Any]] = {}
_decode_any = msgspec.json.Decoder().decode


def pretty(obj: Any) -> str:
    """JSON for people: an indentation of four, as kubectl prints it, without a final newline."""
    return msgspec.json.format(encode(obj), indent=4).decode()


def decode(data: bytes | Raw | str) -> Any:
    """Fresh dicts and lists, owned by the caller."""
    return _decode_any(data)


def repeated_keys(data: bytes) -> list[str]:
    """Keys that come more than once in one object, which decoding does not show. DecodeError for malformed JSON."""
    found: list[str] = []

    def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key, value in pairs:
            if key in made:
                found.append(key)
            made[key] = value
        return made

    try:
        json.loads(data, object_pairs_hook=object_of)
    except ValueError as error:
        raise DecodeError(str(error)) from error
    return found


def decoder(type_: type[T]) -> Callable[[bytes | Raw], T]:
    """A decoder for a type, built once; fields that the type does not name are skipped without being built."""
    found = _decoders.get(type_)
    if found is None:
        found = _decoders[type_] = msgspec.json.Decoder(type_).decode
    return found


class WatchEvent(msgspec.Struct, frozen=True, gc=False):
    """One line of a watch: ADDED, MODIFIED, DELETED, BOOKMARK or ERROR, and the object as it came."""

    type: str
    object: Raw = Raw(b"null")


class ListMeta(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")
    remaining_item_count: int | None = None


class RawList(msgspec.Struct, frozen=True):
    """A list answer with its items undecoded. Items of built-in kinds carry neither apiVersion nor kind."""

    metadata: ListMeta = ListMeta()
    items: list[Raw] | None = None


split_event = decoder(WatchEvent)
split_list = decoder(RawList)
