"""A small HTTP server for probes and metrics."""

from aiohttp import web

from kdl_runtime.serve.address import Address

SHUTDOWN_SECONDS = 1.0
"""How long open requests may take when the server stops. Keep-alive connections of scrapers never end by themselves."""


class HttpServer:
    """Serves an aiohttp application between ``start`` and ``stop``."""

    def __init__(self, app: web.Application, address: Address) -> None:
        self._app = app
        self._address = address
        self._runner: web.AppRunner | None = None

    @property
    def address(self) -> Address:
        """Where the server listens; with the port that the system chose, once it is started."""
        if self._runner is None or not self._runner.addresses:
            return self._address
        return Address(self._address.host, self._runner.addresses[0][1])

    async def start(self) -> None:
        """Listen. OSError when the address cannot be had."""
        runner = web.AppRunner(self._app, handle_signals=False, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._address.host or None, self._address.port).start()
        except OSError as error:
            await runner.cleanup()
            raise OSError(error.errno, f"cannot listen on {self._address}: {error.strerror or error}") from error
        self._runner = runner

    async def stop(self) -> None:
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()
