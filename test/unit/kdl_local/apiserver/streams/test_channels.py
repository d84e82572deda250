import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdl_local.apiserver.streams.channels import (
    CLOSE,
    ERROR,
    STDIN,
    STDOUT,
    V4,
    V5,
    ChannelError,
    Closed,
    Data,
    TerminalSize,
    pack,
    terminal_size,
    unpack,
)


@pytest.mark.parametrize(
    ("message", "protocol", "expected"),
    [
        (b"\x00hello", V5, Data(STDIN, b"hello")),
        (b"\x00", V5, Data(STDIN, b"")),
        (b"\x09x", V5, Data(9, b"x")),
        (b"", V5, None),
        (b"\xff\x00", V5, Closed(STDIN)),
        (b"\xff\x04", V5, Closed(4)),
        (b"\xff\x00", V4, Data(CLOSE, b"\x00")),
    ],
)
def test_what_a_message_says(message: bytes, protocol: str, expected: Data | Closed | None) -> None:
    assert unpack(message, protocol) == expected


@pytest.mark.parametrize("message", [b"\xff", b"\xff\x00\x01", b"\xff\x05", b"\xff\xff"])
def test_a_close_signal_names_one_channel(message: bytes) -> None:
    with pytest.raises(ChannelError, match="a close signal names one channel from 0 to 4"):
        unpack(message, V5)


@given(st.sampled_from([STDIN, STDOUT, ERROR]), st.binary(max_size=100), st.sampled_from([V4, V5]))
def test_what_is_packed_is_unpacked(channel: int, data: bytes, protocol: str) -> None:
    assert unpack(pack(channel, data), protocol) == Data(channel, data)


@given(st.binary(max_size=20), st.sampled_from([V4, V5]))
def test_any_message_is_understood_or_refused(message: bytes, protocol: str) -> None:
    try:
        found = unpack(message, protocol)
    except ChannelError:
        assert message[0] == CLOSE
    else:
        assert (found is None) == (message == b"")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"Width":80,"Height":24}', TerminalSize(80, 24)),
        (b'{"Width":80,"Height":24}\n', TerminalSize(80, 24)),
        (b'{"Width":65535,"Height":1}', TerminalSize(65535, 1)),
        (b'{"Width":65536,"Height":1}', None),
        (b'{"Width":0,"Height":0}', None),
        (b'{"Width":-1,"Height":24}', None),
        (b'{"Width":true,"Height":24}', None),
        (b'{"Width":"80","Height":24}', None),
        (b'{"Width":80}', None),
        (b"[80,24]", None),
        (b"80x24", None),
        (b"", None),
    ],
)
def test_sizes_of_terminals(data: bytes, expected: TerminalSize | None) -> None:
    assert terminal_size(data) == expected
