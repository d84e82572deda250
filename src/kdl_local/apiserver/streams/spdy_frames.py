"""Frames of SPDY/3.1, the protocol in which port-forward multiplexes connections. Pure.

Only what Kubernetes' clients use: header blocks are compressed, flow control windows are not kept (the library that the
clients are built on knows none). https://www.chromium.org/spdy/spdy-protocol/spdy-protocol-draft3-1/
"""

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from kdl_local.apiserver.streams.spdy_dictionary import DICTIONARY

VERSION = 3
LARGEST_FRAME = 2**24 - 1
LARGEST_CONTROL_FRAME = 64 * 1024
"""Bytes of a control frame's payload: those of port-forward take some 100, and nobody may fill the memory with one."""
LARGEST_HEADERS = 256 * 1024
"""Bytes of a header block when it is not compressed any more."""

_CONTROL = 0x80000000
_FIN = 0x01
_NAMED = struct.Struct(">I")


class SpdyError(Exception):
    """Bytes that are no SPDY. Nothing that follows them can be understood."""


class Kind(IntEnum):
    SYN_STREAM = 1
    SYN_REPLY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PING = 6
    GOAWAY = 7
    HEADERS = 8
    WINDOW_UPDATE = 9


class Reason(IntEnum):
    """Why a stream is reset."""

    PROTOCOL_ERROR = 1
    INVALID_STREAM = 2
    REFUSED_STREAM = 3
    CANCEL = 5
    INTERNAL_ERROR = 6


@dataclass(frozen=True, slots=True)
class Data:
    """``last``: the sender will send no more on this stream."""

    stream: int
    data: bytes = b""
    last: bool = False


@dataclass(frozen=True, slots=True)
class Open:
    """SYN_STREAM. Names of headers are in lower case, as on the wire."""

    stream: int
    headers: Mapping[str, str] = field(default_factory=dict)
    last: bool = False
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    stream: int
    headers: Mapping[str, str] = field(default_factory=dict)
    last: bool = False


@dataclass(frozen=True, slots=True)
class Reset:
    stream: int
    reason: int = Reason.CANCEL


@dataclass(frozen=True, slots=True)
class Ping:
    """Answered by the same; those of a client have odd numbers."""

    id: int


@dataclass(frozen=True, slots=True)
class GoAway:
    """The sender takes no further streams."""

    last_stream: int
    status: int = 0


@dataclass(frozen=True, slots=True)
class Other:
    """A frame that means nothing to port-forward: settings, windows, more headers."""

    kind: int


Frame = Data | Open | Reply | Reset | Ping | GoAway | Other


class Encoder:
    """Frames to bytes, which have to be sent in the order in which they were encoded."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(zdict=DICTIONARY)

    def encode(self, frame: Frame) -> bytes:
        match frame:
            case Data():
                return data_header(frame.stream, len(frame.data), last=frame.last) + frame.data
            case Open():
                fixed = struct.pack(">IIBB", frame.stream, 0, frame.priority << 5, 0)
                return _control(Kind.SYN_STREAM, fixed + self._block(frame.headers), _flags(frame.last))
            case Reply():
                payload = _NAMED.pack(frame.stream) + self._block(frame.headers)
                return _control(Kind.SYN_REPLY, payload, _flags(frame.last))
            case Reset():
                return _control(Kind.RST_STREAM, struct.pack(">II", frame.stream, frame.reason))
            case Ping():
                return _control(Kind.PING, _NAMED.pack(frame.id))
            case GoAway():
                return _control(Kind.GOAWAY, struct.pack(">II", frame.last_stream, frame.status))
        raise TypeError(f"{frame} is only ever received")

    def _block(self, headers: Mapping[str, str]) -> bytes:
        parts = [_NAMED.pack(len(headers))]
        for name, value in headers.items():
            for text in (name.encode(), value.encode()):
                parts += (_NAMED.pack(len(text)), text)
        return self._deflate.compress(b"".join(parts)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)


def data_header(stream: int, length: int, *, last: bool = False) -> bytes:
    """The bytes before the data of a DATA frame."""
    return struct.pack(">II", stream, _flags(last) << 24 | length)


def _flags(last: bool) -> int:
    return _FIN if last else 0


def _control(kind: Kind, payload: bytes, flags: int = 0) -> bytes:
    return struct.pack(">HHI", 0x8000 | VERSION, kind, flags << 24 | len(payload)) + payload


class Decoder:
    """Bytes to frames. ``feed`` takes them in whatever pieces they come."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are complete by now. SpdyError ends the connection."""
        self._rest += data
        while len(self._rest) >= 8:
            first, second = struct.unpack_from(">II", self._rest)
            length = second & LARGEST_FRAME
            if first & _CONTROL and length > LARGEST_CONTROL_FRAME:
                raise SpdyError(f"a control frame of {length} bytes; {LARGEST_CONTROL_FRAME} are allowed")
            if len(self._rest) < 8 + length:
                return
            payload = bytes(self._rest[8 : 8 + length])
            del self._rest[: 8 + length]
            yield self._frame(first, second >> 24, payload)

    def _frame(self, first: int, flags: int, payload: bytes) -> Frame:
        last = bool(flags & _FIN)
        if not first & _CONTROL:
            return Data(_stream(first), payload, last)
        if (first >> 16) & 0x7FFF != VERSION:
            raise SpdyError(f"version {(first >> 16) & 0x7FFF} of SPDY; only {VERSION} is spoken here")
        kind = first & 0xFFFF
        try:
            return self._control_frame(kind, payload, last)
        except struct.error:
            raise SpdyError(f"a control frame of kind {kind} with only {len(payload)} bytes") from None

    def _control_frame(self, kind: int, payload: bytes, last: bool) -> Frame:
        match kind:
            case Kind.SYN_STREAM:
                stream, _, priority, _ = struct.unpack_from(">IIBB", payload)
                return Open(_stream(stream), self._headers(payload[10:]), last, priority >> 5)
            case Kind.SYN_REPLY:
                (stream,) = _NAMED.unpack_from(payload)
                return Reply(_stream(stream), self._headers(payload[4:]), last)
            case Kind.RST_STREAM:
                stream, reason = struct.unpack_from(">II", payload)
                return Reset(_stream(stream), reason)
            case Kind.PING:
                return Ping(*_NAMED.unpack_from(payload))
            case Kind.GOAWAY:
                last_stream, status = struct.unpack_from(">II", payload)
                return GoAway(last_stream, status)
            case Kind.HEADERS:
                # Its block belongs to the compressed text of the connection, whoever reads it.
                self._headers(payload[4:])
        return Other(kind)

    def _headers(self, block: bytes) -> dict[str, str]:
        try:
            text = self._inflate.decompress(block, LARGEST_HEADERS)
        except zlib.error as error:
            raise SpdyError(f"headers cannot be decompressed: {error}") from None
        if self._inflate.unconsumed_tail:
            raise SpdyError(f"headers of more than {LARGEST_HEADERS} bytes")
        (count,) = _NAMED.unpack_from(text)
        position, found = 4, {}
        for _ in range(count):
            name, position = _text(text, position)
            value, position = _text(text, position)
            found[name.lower()] = value
        return found


def _stream(number: int) -> int:
    if not number & ~_CONTROL:
        raise SpdyError("stream 0")
    return number & ~_CONTROL


def _text(block: bytes, position: int) -> tuple[str, int]:
    (length,) = _NAMED.unpack_from(block, position)
    start, end = position + 4, position + 4 + length
    if end > len(block):
        raise SpdyError("headers that end in the middle of a text")
    return block[start:end].decode(errors="replace"), end
