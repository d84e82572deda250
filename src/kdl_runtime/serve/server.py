"""A small HTTP server: for probes, metrics and webhooks."""

from aiohttp import web

from kdl_runtime.serve.address import Address
from kdl_runtime.serve.certificates import Certificates

SHUTDOWN_SECONDS = 1.0
"""How long open requests may take when the server stops. Keep-alive connections of scrapers never end by themselves."""
LINGER_SECONDS = 2.0
"""How long the rest of a body is thrown away that was refused, so that the client gets to read why."""


class HttpServer:
    """Serves an aiohttp application between ``start`` and ``stop``; over TLS if there are certificates.

    ``shutdown_seconds``: how long requests in work may take when it stops; connections without one are closed at once.
    """

    def __init__(
        self,
        app: web.Application,
        address: Address,
        certificates: Certificates | None = None,
        shutdown_seconds: float = SHUTDOWN_SECONDS,
    ) -> None:
        self._app = app
        self._address = address
        self._certificates = certificates
        self._shutdown_seconds = shutdown_seconds
        self._runner: web.AppRunner | None = None

    @property
    def address(self) -> Address:
        """Where the server listens; with the port that the system chose, once it is started."""
        if self._runner is None or not self._runner.addresses:
            return self._address
        return Address(self._address.host, self._runner.addresses[0][1])

    @property
    def listening(self) -> bool:
        return self._runner is not None

    async def start(self) -> None:
        """Listen. OSError when the address cannot be had; what the certificates raise when there is none."""
        if self._certificates is not None:
            await self._certificates.start()
        runner = web.AppRunner(
            self._app,
            handle_signals=False,
            access_log=None,
            shutdown_timeout=self._shutdown_seconds,
            lingering_time=LINGER_SECONDS,
        )
        try:
            await runner.setup()
            context = self._certificates.context if self._certificates else None
            await web.TCPSite(runner, self._address.host or None, self._address.port, ssl_context=context).start()
        except OSError as error:
            await runner.cleanup()
            await self._stop_certificates()
            raise OSError(error.errno, f"cannot listen on {self._address}: {error.strerror or error}") from error
        self._runner = runner

    async def stop(self) -> None:
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()
            await self._stop_certificates()

    async def _stop_certificates(self) -> None:
        if self._certificates is not None:
            await self._certificates.stop()
