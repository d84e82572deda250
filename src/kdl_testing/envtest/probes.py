"""Whether a component answers that it is well."""

import http.client
import os
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

_SECONDS = 5.0


def https_probe(address: tuple[str, int], path: str, context: ssl.SSLContext) -> Callable[[], bool]:
    """Asks a server that has a certificate of our authority: it cannot be another one that has got the port."""
    return lambda: _is_well(http.client.HTTPSConnection(*address, context=context, timeout=_SECONDS), path)


def http_probe(address: tuple[str, int], path: str) -> Callable[[], bool]:
    return lambda: _is_well(http.client.HTTPConnection(*address, timeout=_SECONDS), path)


def etcd_probe(directory: Path, name: str) -> Callable[[], bool]:
    """Asks etcd at its socket in the directory, whose path may be longer than those of sockets can be."""
    return lambda: _is_well(_SocketConnection(directory, name), "/health")


class _SocketConnection(http.client.HTTPConnection):
    def __init__(self, directory: Path, name: str) -> None:
        super().__init__("localhost", timeout=_SECONDS)
        self._directory = directory
        self._name = name

    def connect(self) -> None:
        descriptor = os.open(self._directory, os.O_PATH)
        self.sock = socket.socket(socket.AF_UNIX)
        try:
            self.sock.settimeout(_SECONDS)
            self.sock.connect(f"/proc/self/fd/{descriptor}/{self._name}")
        except OSError:
            self.sock.close()
            raise
        finally:
            os.close(descriptor)


def _is_well(connection: http.client.HTTPConnection, path: str) -> bool:
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
