"""Files over HTTP: resumed after a break, given up at once where nobody answers."""

import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import tenacity

from kdl_testing.envtest.sources import Report

_CHUNK_BYTES = 1 << 18


class TransferError(Exception):
    """It cannot be had; one clause that says why and names the host or the URL."""


class UnreachableError(TransferError):
    """The host does not answer, so nothing else can be had from it either."""


class BrokenError(UnreachableError):
    """The transfer ended too early, or the server has a fault. A further try may go better."""


@dataclass(frozen=True, slots=True)
class Limits:
    """In seconds: to connect, of silence in the middle, between one try and the next at first (it doubles); and how
    often a transfer is tried."""

    connect: float = 5.0
    silence: float = 20.0
    pause: float = 0.5
    tries: int = 5


@dataclass(frozen=True, slots=True)
class Transfers:
    """``received`` is told bytes so far and in all (0 if the server does not say)."""

    session: aiohttp.ClientSession
    limits: Limits
    report: Report

    async def text(self, url: str) -> str:
        """TransferError."""
        async for attempt in self._attempts(url):
            with attempt, _errors(url):
                async with self.session.get(url) as response:
                    response.raise_for_status()
                    return await response.text(errors="replace")
        raise AssertionError("tenacity raises the last error")

    async def file(self, url: str, path: Path, received: Callable[[int, int], None]) -> None:
        """Writes the file to the path, going on from what is there already. TransferError; the path stays then."""
        async for attempt in self._attempts(url):
            with attempt, _errors(url):
                await self._rest(url, path, received)

    async def _rest(self, url: str, path: Path, received: Callable[[int, int], None]) -> None:
        start = _size(path)
        headers = {"Range": f"bytes={start}-"} if start else {}
        async with self.session.get(url, headers=headers) as response:
            if start and response.status == 416:
                # There is nothing after what is here; the checksum tells whether it is the file.
                return
            response.raise_for_status()
            if response.status != 206:
                start = 0
            total = start + response.content_length if response.content_length is not None else 0
            with path.open("ab" if start else "wb") as file:
                done = start
                received(done, total)
                async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                    file.write(chunk)
                    done += len(chunk)
                    received(done, total)

    def _attempts(self, url: str) -> tenacity.AsyncRetrying:
        limits = self.limits

        def say(state: tenacity.RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome else None
            self.report(f"{error}; try {state.attempt_number + 1} of {limits.tries}")

        return tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(BrokenError),
            stop=tenacity.stop_after_attempt(limits.tries),
            wait=tenacity.wait_exponential(limits.pause),
            before_sleep=say,
            reraise=True,
        )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@asynccontextmanager
async def transfers(limits: Limits, report: Report) -> AsyncIterator[Transfers]:
    """With the proxies that the environment names (HTTPS_PROXY, NO_PROXY, …)."""
    timeout = aiohttp.ClientTimeout(total=None, connect=limits.connect, sock_read=limits.silence)
    # Bytes are counted and resumed as the server stores them.
    headers = {"Accept-Encoding": "identity", "User-Agent": "kdl-envtest"}
    async with aiohttp.ClientSession(timeout=timeout, trust_env=True, headers=headers) as session:
        yield Transfers(session, limits, report)


def _cause(error: OSError) -> str:
    if isinstance(error, socket.gaierror) or not error.errno:
        return error.strerror or str(error)
    return os.strerror(error.errno)


@contextmanager
def _errors(url: str) -> Iterator[None]:
    host = urlsplit(url).netloc
    try:
        yield
    except aiohttp.ClientHttpProxyError as error:
        raise UnreachableError(f"{host} cannot be reached: the proxy answers {error.status} {error.message}") from error
    except aiohttp.ClientConnectorCertificateError as error:
        raise UnreachableError(f"{host} cannot be trusted: {error.certificate_error}") from error
    except aiohttp.ClientConnectorError as error:
        raise UnreachableError(f"{host} cannot be reached: {_cause(error.os_error)}") from error
    except aiohttp.ConnectionTimeoutError as error:
        raise UnreachableError(f"{host} cannot be reached: no connection in time") from error
    except aiohttp.ClientResponseError as error:
        if error.status >= 500 or error.status == 429:
            raise BrokenError(f"{host} answers {error.status} {error.message} for {url}") from error
        raise TransferError(f"{host} answers {error.status} {error.message} for {url}") from error
    except (aiohttp.ClientError, TimeoutError) as error:
        raise BrokenError(f"the transfer of {url} broke: {str(error) or type(error).__name__}") from error
    except OSError as error:
        raise TransferError(f"what comes from {url} cannot be written: {error}") from error
