"""Addresses to listen on, as flags give them."""

from typing import NamedTuple


class Address(NamedTuple):
    """``host`` empty is every interface; ``port`` 0 lets the system choose a free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_bind_address(text: str) -> Address | None:
    """``:8080``, ``127.0.0.1:0``, ``[::1]:8080``; None, do not listen, for ``0`` and the empty text.

    ValueError for anything else.
    """
    if text in ("", "0"):
        return None
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    bare = host[1:-1] if bracketed else host
    plausible = colon and port.isascii() and port.isdigit() and int(port) <= 65535 and bracketed == (":" in bare)
    if not plausible:
        raise ValueError(f"bind address {text!r} must be host:port, :port, or 0 to listen nowhere")
    return Address(bare, int(port))
