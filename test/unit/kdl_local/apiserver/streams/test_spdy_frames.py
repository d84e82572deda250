import hashlib
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdl_local.apiserver.streams.spdy_dictionary import DICTIONARY
from kdl_local.apiserver.streams.spdy_frames import (
    LARGEST_CONTROL_FRAME,
    LARGEST_HEADERS,
    Data,
    Decoder,
    Encoder,
    Frame,
    GoAway,
    Open,
    Other,
    Ping,
    Reply,
    Reset,
    SpdyError,
)

streams = st.integers(1, 2**31 - 1)
names = st.text("abcdefghijklmnopqrstuvwxyz-:", min_size=1, max_size=20)
headers = st.dictionaries(names, st.text(max_size=30), max_size=5)
frames: st.SearchStrategy[Frame] = st.one_of(
    st.builds(Data, streams, st.binary(max_size=200), st.booleans()),
    st.builds(Open, streams, headers, st.booleans(), st.integers(0, 7)),
    st.builds(Reply, streams, headers, st.booleans()),
    st.builds(Reset, streams, st.integers(1, 11)),
    st.builds(Ping, st.integers(1, 2**32 - 1)),
    st.builds(GoAway, st.integers(0, 2**31 - 1), st.integers(0, 2)),
)


def test_the_dictionary_is_that_of_the_specification() -> None:
    digest = "51d27341373f923f3cd88e1eb7162aeaa3723d7585ff2399201dc06498407f02"
    assert hashlib.sha256(DICTIONARY).hexdigest() == digest


@given(st.lists(frames, max_size=8), st.data())
def test_frames_survive_the_wire_in_any_pieces(sent: list[Frame], data: st.DataObject) -> None:
    encoder, decoder = Encoder(), Decoder()
    left = b"".join(map(encoder.encode, sent))
    received: list[Frame] = []
    while left:
        size = data.draw(st.integers(1, len(left)))
        received += decoder.feed(left[:size])
        left = left[size:]
    assert received == sent


@given(st.binary(max_size=300))
def test_any_bytes_are_frames_or_refused(data: bytes) -> None:
    try:
        found = list(Decoder().feed(data))
    except SpdyError:
        return
    assert len(found) <= len(data) // 8


def control(kind: int, payload: bytes, *, version: int = 3, flags: int = 0) -> bytes:
    return struct.pack(">HHI", 0x8000 | version, kind, flags << 24 | len(payload)) + payload


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (bytes.fromhex("00000001 01000002") + b"hi", Data(1, b"hi", last=True)),
        (bytes.fromhex("80030003 00000008 00000005 00000005"), Reset(5, 5)),
        (bytes.fromhex("80030006 00000004 00000001"), Ping(1)),
        (bytes.fromhex("80030007 00000008 00000003 00000000"), GoAway(3, 0)),
        (bytes.fromhex("80030004 00000004 00000000"), Other(4)),
        (bytes.fromhex("80030009 00000008 00000001 00010000"), Other(9)),
    ],
)
def test_frames_as_they_are_on_the_wire(data: bytes, expected: Frame) -> None:
    assert list(Decoder().feed(data)) == [expected]


def test_the_headers_of_a_stream() -> None:
    block = b"\0\0\0\1" + b"\0\0\0\4Port" + b"\0\0\0\0028\x30"
    deflate = zlib.compressobj(zdict=DICTIONARY)
    payload = bytes.fromhex("00000001 00000000 6000") + deflate.compress(block) + deflate.flush(zlib.Z_SYNC_FLUSH)
    assert list(Decoder().feed(control(1, payload, flags=1))) == [Open(1, {"port": "80"}, last=True, priority=3)]


def test_headers_that_nobody_reads_belong_to_the_compressed_text_all_the_same() -> None:
    encoder, decoder = Encoder(), Decoder()
    more = bytearray(encoder.encode(Reply(1, {"streamtype": "error"})))
    more[3] = 8
    assert list(decoder.feed(bytes(more))) == [Other(8)]
    assert list(decoder.feed(encoder.encode(Open(3, {"streamtype": "data"})))) == [Open(3, {"streamtype": "data"})]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (control(6, b"\0\0\0\1", version=2), "version 2 of SPDY; only 3 is spoken here"),
        (control(6, b"\0"), "a control frame of kind 6 with only 1 bytes"),
        (control(1, b"\0" * 5), "a control frame of kind 1 with only 5 bytes"),
        (control(3, b"\0\0\0\0\0\0\0\1"), "stream 0"),
        (b"\0\0\0\0\0\0\0\0", "stream 0"),
        (control(2, b"\0\0\0\1nonsense"), "headers cannot be decompressed"),
        (
            control(1, b"")[:4] + (LARGEST_CONTROL_FRAME + 1).to_bytes(4, "big"),
            f"a control frame of {LARGEST_CONTROL_FRAME + 1} bytes; {LARGEST_CONTROL_FRAME} are allowed",
        ),
    ],
)
def test_what_is_no_spdy(data: bytes, message: str) -> None:
    with pytest.raises(SpdyError, match=message):
        list(Decoder().feed(data))


def test_a_small_frame_of_endless_headers_is_refused() -> None:
    deflate = zlib.compressobj(9, zdict=DICTIONARY)
    block = deflate.compress(b"\0" * (LARGEST_HEADERS + 1000)) + deflate.flush(zlib.Z_SYNC_FLUSH)
    assert len(block) < 2000
    with pytest.raises(SpdyError, match="headers of more than"):
        list(Decoder().feed(control(2, b"\0\0\0\1" + block)))


def test_headers_that_end_too_early() -> None:
    deflate = zlib.compressobj(zdict=DICTIONARY)
    block = deflate.compress(b"\0\0\0\1" + b"\0\0\0\x09port") + deflate.flush(zlib.Z_SYNC_FLUSH)
    with pytest.raises(SpdyError, match="headers that end in the middle of a text"):
        list(Decoder().feed(control(2, b"\0\0\0\1" + block)))
