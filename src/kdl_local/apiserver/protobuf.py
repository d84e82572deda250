"""Decoding of objects in Kubernetes' protobuf encoding, which clients in Go may send for built-in kinds.

https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding

The field numbers are in protobuf_messages.json (written by hack/protobuf_messages.py): per message a text of fields
``number name type`` joined by ``|``. The type is ``s`` for a string, ``i`` an integer, ``b`` a boolean, ``y`` bytes,
``d`` a double, or the name of a message. ``*`` before it marks a list, ``{`` a map from strings, ``?`` behind it a
field that JSON omits when it is zero or empty. A field without a name is inlined: its fields are those of the message
around it.
"""

import base64
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from kdl_runtime.codec.json import decode
from kdl_runtime.codec.times import format_micro_time, format_time
from kdl_runtime.errors import BadRequest
from kdl_runtime.types import parse_api_version

CONTENT_TYPE = "application/vnd.kubernetes.protobuf"

_MAGIC = b"k8s\x00"
_DATA = Path(__file__).with_name("protobuf_messages.json")
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Kinds that belong to every group version.
_META_KINDS = frozenset({"DeleteOptions", "CreateOptions", "UpdateOptions", "PatchOptions"})


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    type: str
    repeated: bool
    mapping: bool
    omit_zero: bool


def decode_protobuf(data: bytes) -> dict[str, Any]:
    """The object in the shape of its JSON. BadRequest for a kind that has no protobuf encoding or broken data."""
    if not data.startswith(_MAGIC):
        raise BadRequest("the body of the request does not start as Kubernetes' protobuf encoding does")
    try:
        envelope = _message("runtime.Unknown", data[len(_MAGIC) :])
        api_version, kind = str(envelope.get("apiVersion", "")), str(envelope.get("kind", ""))
        name = message_name(api_version, kind)
        if name is None:
            raise BadRequest(f"{kind} of {api_version} has no protobuf encoding here: send it as JSON")
        body = _message(name, base64.b64decode(envelope.get("raw", "")))
    except (IndexError, UnicodeDecodeError, ValueError, struct.error) as error:
        raise BadRequest(f"the protobuf body of the request is broken: {error}") from None
    return {"kind": kind, "apiVersion": api_version, **body}


def message_name(api_version: str, kind: str) -> str | None:
    """The protobuf message of a kind; None if there is none."""
    group, version = parse_api_version(api_version)
    home = "meta/v1" if kind in _META_KINDS else f"{group.partition('.')[0] or 'core'}/{version}"
    name = f"{home}.{kind}"
    return name if name in _messages() else None


@cache
def _messages() -> Mapping[str, str]:
    found: Mapping[str, str] = decode(_DATA.read_bytes())
    return found


@cache
def _fields(message: str) -> Mapping[int, Field]:
    fields = {}
    for text in filter(None, _messages()[message].split("|")):
        number, name, type_ = text.split(" ")
        omit_zero = type_.endswith("?")
        bare = type_.strip("*{?")
        fields[int(number)] = Field("raw" if name == "-" else name, bare, type_[0] == "*", type_[0] == "{", omit_zero)
    return fields


def _message(name: str, data: bytes) -> dict[str, Any]:
    fields = _fields(name)
    result: dict[str, Any] = {}
    for number, value in _parts(data):
        field = fields.get(number)
        if field is None:
            continue
        if field.mapping:
            key, item = _map_entry(field.type, value)
            result.setdefault(field.name, {})[key] = item
            continue
        decoded = _value(field.type, value)
        if not field.name:
            result.update(decoded)
        elif field.repeated:
            result.setdefault(field.name, []).append(decoded)
        elif decoded is not None and (decoded or not field.omit_zero or isinstance(decoded, dict)):
            result[field.name] = decoded
    return result


def _map_entry(type_: str, data: int | bytes) -> tuple[str, Any]:
    parts = dict(_parts(_as_bytes(data)))
    return _as_bytes(parts.get(1, b"")).decode(), _value(type_, parts.get(2, b""))


def _parts(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field numbers and their undecoded values, in order."""
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        number, wire = key >> 3, key & 7
        value: int | bytes
        if wire == _VARINT:
            value, position = _varint(data, position)
        else:
            length = {_FIXED64: 8, _FIXED32: 4}.get(wire)
            if wire == _BYTES:
                length, position = _varint(data, position)
            if length is None or position + length > len(data):
                raise ValueError(f"field {number} is cut off or of an unknown wire type")
            value, position = data[position : position + length], position + length
        yield number, value


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, position
        if shift >= 70:
            raise ValueError("a number has more than 64 bits")


def _as_bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number stands where bytes are expected")
    return value


def _integer(value: int | bytes) -> int:
    if isinstance(value, bytes):
        raise ValueError("bytes stand where a number is expected")
    return value - (1 << 64) if value >= 1 << 63 else value


def _value(type_: str, value: int | bytes) -> Any:
    scalar = _SCALARS.get(type_)
    if scalar is not None:
        return scalar(value)
    special = _SPECIAL.get(type_)
    fields = _message(type_, _as_bytes(value))
    return special(fields) if special else fields


def _moment(fields: Mapping[str, Any]) -> datetime | None:
    """The zero time is an empty message."""
    if not fields:
        return None
    return _EPOCH + timedelta(seconds=fields.get("seconds", 0), microseconds=fields.get("nanos", 0) // 1000)


def _time(fields: Mapping[str, Any]) -> str | None:
    moment = _moment(fields)
    return format_time(moment) if moment else None


def _micro_time(fields: Mapping[str, Any]) -> str | None:
    moment = _moment(fields)
    return format_micro_time(moment) if moment else None


def _int_or_string(fields: Mapping[str, Any]) -> int | str:
    return str(fields.get("strVal", "")) if fields.get("type") else int(fields.get("intVal", 0))


def _raw_json(fields: Mapping[str, Any]) -> Any:
    text = base64.b64decode(fields.get("raw") or fields.get("Raw") or "")
    return decode(text) if text else None


_SCALARS: Mapping[str, Callable[[int | bytes], Any]] = {
    "s": lambda value: _as_bytes(value).decode(),
    "i": _integer,
    "b": lambda value: bool(_integer(value)),
    "y": lambda value: base64.b64encode(_as_bytes(value)).decode(),
    "d": lambda value: struct.unpack("<d", _as_bytes(value))[0],
}
_SPECIAL: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "meta/v1.Time": _time,
    "meta/v1.MicroTime": _micro_time,
    "meta/v1.FieldsV1": _raw_json,
    "resource.Quantity": lambda fields: fields.get("string", "0"),
    "intstr.IntOrString": _int_or_string,
    "runtime.RawExtension": _raw_json,
    "authentication/v1.ExtraValue": lambda fields: fields.get("items", []),
    "authorization/v1.ExtraValue": lambda fields: fields.get("items", []),
}
