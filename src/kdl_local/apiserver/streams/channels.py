"""Channels: how several streams share one WebSocket connection. Pure.

A message is one byte that names the channel, and its data (k8s.io/apimachinery ``remotecommand`` constants).
"""

from dataclasses import dataclass

from kdl_runtime.codec.json import DecodeError, decode

STDIN, STDOUT, STDERR, ERROR, RESIZE = range(5)
CLOSE = 255
"""In the fifth version of the protocol: the client will send no more on the channel that the next byte names."""

V4 = "v4.channel.k8s.io"
V5 = "v5.channel.k8s.io"

LARGEST_SIZE = 0xFFFF
"""Columns and rows that a terminal can have: the kernel keeps them in 16 bits."""


class ChannelError(Exception):
    """A message that breaks the protocol; the connection is of no further use."""


@dataclass(frozen=True, slots=True)
class Data:
    channel: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Closed:
    channel: int


def pack(channel: int, data: bytes) -> bytes:
    return bytes((channel,)) + data


def unpack(message: bytes, protocol: str) -> Data | Closed | None:
    """What a message of the client says; None for an empty one, which says nothing."""
    if not message:
        return None
    if message[0] != CLOSE or protocol != V5:
        return Data(message[0], message[1:])
    if len(message) != 2 or message[1] > RESIZE:
        raise ChannelError(f"a close signal names one channel from 0 to {RESIZE}, not {message[1:]!r}")
    return Closed(message[1])


@dataclass(frozen=True, slots=True)
class TerminalSize:
    columns: int
    rows: int


def terminal_size(data: bytes) -> TerminalSize | None:
    """The size in a message of the resize channel, None if it is none. Terminals ignore what they cannot have."""
    try:
        found = decode(data)
        columns, rows = found["Width"], found["Height"]
    except (DecodeError, KeyError, TypeError):
        return None
    if not (_fits(columns) and _fits(rows)):
        return None
    return TerminalSize(columns, rows)


def _fits(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 0 < number <= LARGEST_SIZE
