"""Questions to a name server on the loopback address."""

import socket
import struct

_SECONDS = 2.0
_QUESTION_TYPE_A = 1
_CLASS_INTERNET = 1
_RECURSION_DESIRED = 0x0100
_IDENTITY = 0x4B44
_POINTER = 0xC0


def ask(port: int, name: str) -> set[str] | None:
    """The IPv4 addresses of a name, none if it has none; None if nobody answers."""
    question = encode_name(name) + struct.pack("!HH", _QUESTION_TYPE_A, _CLASS_INTERNET)
    header = struct.pack("!HHHHHH", _IDENTITY, _RECURSION_DESIRED, 1, 0, 0, 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(_SECONDS)
        try:
            client.connect(("127.0.0.1", port))
            client.send(header + question)
            return addresses(client.recv(4096), len(header) + len(question))
        except OSError:
            return None


def encode_name(name: str) -> bytes:
    labels = [label.encode() for label in name.rstrip(".").split(".")]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def addresses(answer: bytes, offset: int) -> set[str]:
    """Of the answers in a message whose questions end at ``offset``."""
    (count,) = struct.unpack_from("!H", answer, 6)
    found = set()
    for _ in range(count):
        while answer[offset] and answer[offset] < _POINTER:
            offset += answer[offset] + 1
        offset += 2 if answer[offset] >= _POINTER else 1
        kind, _, _, length = struct.unpack_from("!HHIH", answer, offset)
        offset += 10
        if kind == _QUESTION_TYPE_A:
            found.add(socket.inet_ntoa(answer[offset : offset + length]))
        offset += length
    return found
