import asyncio
from typing import Any

import pytest

from kdl_local.node.probes import Timing, Verdict, http_check, port_of, tcp_check, timing_of


@pytest.mark.parametrize(
    ("timing", "results", "decisions"),
    [
        (Timing(), [True], [True]),
        (Timing(), [False, False], []),
        (Timing(), [False, False, False, False], [False]),
        (Timing(), [False, False, True, False, False, False], [True, False]),
        (Timing(successes=2), [True, False, True, True], [True]),
        (Timing(failures=1), [True, False, True, False], [True, False, True, False]),
    ],
)
def test_results_in_a_row_decide(timing: Timing, results: list[bool], decisions: list[bool]) -> None:
    verdict, found = Verdict(timing), []
    for result in results:
        if verdict.add(result):
            found.append(verdict.value)
    assert found == decisions


def test_the_defaults_of_a_probe() -> None:
    assert timing_of({}) == Timing(0, 10, 1, 1, 3)
    assert timing_of({"initialDelaySeconds": 3, "periodSeconds": 2, "failureThreshold": 9}) == Timing(3, 2, 1, 1, 9)


@pytest.mark.parametrize(("port", "expected"), [(80, 80), ("80", 80), ("web", 8080)])
def test_ports(port: int | str, expected: int) -> None:
    container = {"ports": [{"name": "web", "containerPort": 8080}]}
    assert port_of({"port": port}, container) == expected
    with pytest.raises(ValueError, match="port other: the container has no port of that name"):
        port_of({"port": "other"}, container)


async def serve(answer: bytes) -> tuple[asyncio.Server, int, list[bytes]]:
    seen: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n") if answer else b"")
        writer.write(answer)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1], seen


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", ""),
        (b"HTTP/1.0 302 Found\r\n\r\n", ""),
        (b"HTTP/1.1 503 No\r\n\r\n", "HTTP probe failed with statuscode: 503"),
        (b"SSH-2.0-x\r\n", "Get /healthz: not an HTTP answer"),
    ],
)
async def test_http(answer: bytes, problem: str) -> None:
    server, port, seen = await serve(answer)
    async with server:
        action: dict[str, Any] = {"path": "/healthz", "httpHeaders": [{"name": "X-A", "value": "b"}]}
        assert await http_check(action, "127.0.0.1", port) == problem
    assert seen[0].startswith(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"X-A: b\r\n" in seen[0]


async def test_tcp() -> None:
    server, port, _ = await serve(b"")
    async with server:
        assert await tcp_check("127.0.0.1", port) == ""
    assert (await tcp_check("127.0.0.1", port)).startswith(f"dial tcp 127.0.0.1:{port}: ")
