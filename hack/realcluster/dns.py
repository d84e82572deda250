"""A question to a name server. Pure, but for ``addresses``."""

import socket
import struct
from ipaddress import IPv4Address

_TYPE_A = 1
_CLASS_IN = 1
_HEADER = struct.Struct("!6H")
_RECORD = struct.Struct("!HHIH")
_POINTER = 0xC0
_IDENTIFIER = 0x6B64


def addresses(server: tuple[str, int], name: str, timeout: float = 1.0) -> list[IPv4Address]:
    """The addresses of a name; none if the server does not answer, or does not know it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(timeout)
        try:
            client.connect(server)
            client.send(question(name))
            return answers(client.recv(4096))
        except (OSError, ValueError, struct.error, IndexError):
            return []


def question(name: str) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split("."))
    return _HEADER.pack(_IDENTIFIER, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", _TYPE_A, _CLASS_IN)


def answers(message: bytes) -> list[IPv4Address]:
    """The addresses in an answer to ``question``. ValueError if it is none."""
    identifier, flags, questions, records, _, _ = _HEADER.unpack_from(message)
    if identifier != _IDENTIFIER or not flags & 0x8000:
        raise ValueError("no answer to this question")
    at = _HEADER.size
    for _ in range(questions):
        at = _after_name(message, at) + 4
    found = []
    for _ in range(records):
        at = _after_name(message, at)
        kind, _, _, length = _RECORD.unpack_from(message, at)
        at += _RECORD.size
        if kind == _TYPE_A:
            found.append(IPv4Address(message[at : at + 4]))
        at += length
    return found


def _after_name(message: bytes, at: int) -> int:
    while message[at]:
        if message[at] & _POINTER == _POINTER:
            return at + 2
        at += message[at] + 1
    return at + 1
