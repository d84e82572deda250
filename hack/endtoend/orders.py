"""The orders that tests give while they run: one request and one answer in JSON by connection of a Unix socket."""

import json
import socketserver
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kdl_runtime.errors import KdlError

Handlers = Mapping[str, Callable[..., Any]]


class _Connection(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, _Server)
        request = json.loads(self.rfile.readline())
        self.wfile.write(json.dumps(self.server.answer(request)).encode())


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def __init__(self, path: Path, handlers: Handlers) -> None:
        super().__init__(str(path), _Connection)
        self._handlers = handlers
        # One order after the other: a component is killed or started, not both.
        self._lock = threading.Lock()

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        handler = self._handlers.get(request.pop("order", ""))
        if handler is None:
            return {"error": f"no such order; there are {', '.join(self._handlers)}"}
        try:
            with self._lock:
                return {"answer": handler(**request)}
        except (KdlError, OSError, TypeError, RuntimeError) as error:
            return {"error": f"{type(error).__name__}: {error}"}


class Orders:
    """Takes orders at ``path`` between ``start`` and ``stop``."""

    def __init__(self, path: Path, handlers: Handlers) -> None:
        path.unlink(missing_ok=True)
        self.path = path
        self._server = _Server(path, handlers)
        self._thread = threading.Thread(target=self._server.serve_forever, name="orders", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self.path.unlink(missing_ok=True)
