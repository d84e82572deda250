"""The server over real TLS on loopback."""

import asyncio
import io
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from kdl_local.apiserver.certificates import create_authority
from kdl_runtime.clock import SystemClock
from kdl_runtime.errors import NotFound
from kdl_runtime.observe.metrics import Metrics
from kdl_runtime.serve.certificates import CertificateFiles, PairPaths
from kdl_runtime.serve.issuing import new_authority, new_server_certificate
from kdl_runtime.types import Resource
from kdl_runtime.webhook import server as module
from kdl_runtime.webhook.admission import ALLOWED, AdmissionRequest, AdmissionResponse
from kdl_runtime.webhook.functions import Validator
from kdl_runtime.webhook.server import NotServingError, WebhookOptions, WebhookServer, webhook_server
from unit.kdl_runtime.webhook.reviews import admission_review, conversion_review, patch_of

GUESTBOOKS = Resource("example.com", "v1", "Guestbook", "guestbooks")
VALIDATE, MUTATE = "/validate-example-com-v1-guestbook", "/mutate-example-com-v1-guestbook"
JSON = {"Content-Type": "application/json"}
AUTHORITY = new_authority("ca", datetime.now(UTC), timedelta(days=1))


def files(directory: Path, metrics: Metrics) -> CertificateFiles:
    made = new_server_certificate(AUTHORITY, ["127.0.0.1"], datetime.now(UTC), timedelta(hours=1))
    paths = PairPaths(directory)
    paths.certificate.write_bytes(made.certificate)
    paths.key.write_bytes(made.key)
    return CertificateFiles(paths, SystemClock(), metrics)


@asynccontextmanager
async def running(server: WebhookServer, client: Path | None = None) -> AsyncIterator[aiohttp.ClientSession]:
    """A session of who trusts the server; ``client``: a certificate of one's own."""
    context = ssl.create_default_context(cadata=AUTHORITY.certificate.decode())
    if client:
        context.load_cert_chain(client)
    await server.start()
    try:
        connector = aiohttp.TCPConnector(ssl=context)
        url = f"https://127.0.0.1:{server.address.port}"
        async with aiohttp.ClientSession(url, connector=connector) as session:
            yield session
    finally:
        await server.stop()


class Served:
    def __init__(self, directory: Path, **options: Any) -> None:
        self.metrics = Metrics()
        self.ready = asyncio.Event()
        self.server = WebhookServer(
            files(directory, self.metrics),
            WebhookOptions(host="127.0.0.1", port=0, **options),
            metrics=self.metrics,
            admission_ready=self._wait,
        )
        self.ready.set()

    async def _wait(self) -> None:
        await self.ready.wait()


@pytest.fixture
def world(tmp_path: Path) -> Served:
    return Served(tmp_path)


async def post(session: aiohttp.ClientSession, path: str, body: Any, headers: dict[str, str] = JSON) -> Any:
    data = io.BytesIO(body) if isinstance(body, bytes) else body
    async with session.post(path, data=data, headers=headers) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "application/json"
        return (await response.json())["response"]


async def test_functions_are_served_at_their_paths(world: Served) -> None:
    def default(obj: dict[str, Any]) -> None:
        obj["spec"] = {}

    world.server.mutate(GUESTBOOKS, default)
    async with running(world.server) as session:
        # Also what is added while it runs.
        world.server.validate(GUESTBOOKS, Validator(create=lambda _: ["mind the gap"]))
        world.server.convert(GUESTBOOKS, lambda obj, version: obj)
        answer = await post(session, MUTATE, admission_review(object={}))
        assert patch_of({"response": answer}) == [{"op": "add", "path": "/spec", "value": {}}]
        answer = await post(session, VALIDATE, admission_review(object={}))
        assert (answer["allowed"], answer["warnings"]) == (True, ["mind the gap"])
        obj = {"apiVersion": "example.com/v1", "kind": "Guestbook", "metadata": {}}
        answer = await post(session, "/convert?timeout=30s", conversion_review([obj]))
        assert answer["convertedObjects"] == [{**obj, "apiVersion": "example.com/v2"}]
        async with session.post("/other", data=b"{}") as response:
            assert response.status == 404
        async with session.get(VALIDATE) as response:
            assert response.status == 405
    value = world.metrics.value
    assert value("controller_runtime_webhook_requests_total", webhook=VALIDATE, code="200") == 1
    assert value("controller_runtime_webhook_requests_total", webhook="/convert", code="500") == 0
    assert value("controller_runtime_webhook_requests_in_flight", webhook=VALIDATE) == 0
    assert value("controller_runtime_webhook_latency_seconds_count", webhook=MUTATE) == 1


@pytest.mark.parametrize(
    ("body", "headers", "code", "message"),
    [
        (b"", JSON, 400, "the request has no body"),
        (b"{}", {"Content-Type": "application/json; charset=utf-8"}, 400, "must be application/json, and not"),
        (b"{}", {"Content-Type": "text/plain"}, 400, "not 'text/plain'"),
        (b"{}", JSON, 400, "must be an AdmissionReview"),
        (b" " * (module.MAX_ADMISSION_BYTES + 1), JSON, 413, "the limit is 7340032 bytes"),
    ],
)
async def test_what_cannot_be_read_is_a_refusal_with_status_200(
    world: Served, body: bytes, headers: dict[str, str], code: int, message: str
) -> None:
    world.server.validate(GUESTBOOKS, Validator())
    async with running(world.server) as session:
        answer = await post(session, VALIDATE, body, headers)
    assert (answer["allowed"], answer["uid"], answer["status"]["code"]) == (False, "", code)
    assert message in answer["status"]["message"]


async def test_a_body_that_never_ends_is_cut_at_the_limit(world: Served) -> None:
    world.server.validate(GUESTBOOKS, Validator())
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1000):
            sent += 1
            yield b" " * 2**20

    async with running(world.server) as session:
        try:
            answer = await post(session, VALIDATE, endless())
            assert answer["status"]["code"] == 413
        except aiohttp.ClientError:
            # The server may close the connection before all of the answer is read.
            pass
    assert sent < 500


async def test_a_body_of_the_largest_size_is_read(world: Served) -> None:
    world.server.validate(GUESTBOOKS, Validator())
    body = admission_review(object={"text": ""})
    body = body.replace(b'"text": ""', b'"text": "' + b"x" * (module.MAX_ADMISSION_BYTES - len(body)) + b'"')
    assert len(body) == module.MAX_ADMISSION_BYTES
    async with running(world.server) as session:
        assert (await post(session, VALIDATE, body))["allowed"]


async def test_faults_are_counted(world: Served) -> None:
    def fail(*_: Any) -> Any:
        raise KeyError("spec")

    world.server.validate(GUESTBOOKS, Validator(create=fail))
    world.server.convert(GUESTBOOKS, fail)
    obj = {"apiVersion": "example.com/v1", "kind": "Guestbook"}
    async with running(world.server) as session:
        answer = await post(session, VALIDATE, admission_review(object={}))
        assert (answer["uid"], answer["status"]["code"]) == ("u-1", 500)
        answer = await post(session, "/convert", conversion_review([obj]))
        assert answer["result"]["status"] == "Failure"
        async with session.post("/convert", data=b"no json") as response:
            assert response.status == 400
            assert (await response.text()).startswith("the body is no JSON: ")
    assert world.metrics.value("controller_runtime_webhook_panics_total") == 1
    assert world.metrics.value("controller_runtime_conversion_webhook_panics_total") == 1


async def test_admission_waits_for_the_cache_and_conversion_does_not(world: Served) -> None:
    world.ready.clear()
    world.server.validate(GUESTBOOKS, Validator())
    world.server.convert(GUESTBOOKS, lambda obj, version: obj)
    async with running(world.server) as session:
        admission = asyncio.create_task(post(session, VALIDATE, admission_review(object={})))
        answer = await post(session, "/convert", conversion_review([]))
        assert answer["result"]["status"] == "Success"
        assert not admission.done()
        world.ready.set()
        assert (await admission)["allowed"]
        world.ready.clear()
        answer = await post(session, f"{VALIDATE}?timeout=1s", admission_review(object={}))
    assert (answer["uid"], answer["status"]["code"], answer["status"]["reason"]) == ("u-1", 503, "ServiceUnavailable")
    assert "cache is still being filled" in answer["status"]["message"]


async def test_a_function_has_no_longer_than_the_api_server_waits(world: Served) -> None:
    ended: list[str] = []

    async def hang(_: dict[str, Any]) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    world.server.validate(GUESTBOOKS, Validator(create=hang))
    async with running(world.server) as session:
        answer = await post(session, f"{VALIDATE}?timeout=1s", admission_review(object={}))
    assert (answer["status"]["code"], answer["status"]["message"]) == (504, "the webhook has not answered within 0.5 s")
    assert ended == ["cancelled"]


async def test_what_is_in_work_is_finished_at_the_end(world: Served) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_: AdmissionRequest) -> AdmissionResponse:
        begun.set()
        await go_on.wait()
        return ALLOWED

    world.server.add("/slow", slow)
    async with running(world.server) as session:
        # An idle connection does not hold up the end.
        await post(session, "/slow", b"{}")
        request = asyncio.create_task(post(session, "/slow", admission_review()))
        await begun.wait()
        stop = asyncio.create_task(world.server.stop())
        await asyncio.sleep(0.05)
        assert not stop.done()
        go_on.set()
        assert (await request)["allowed"]
        async with asyncio.timeout(5):
            await stop


@pytest.mark.parametrize("path", [VALIDATE, "/convert", "relative"])
def test_a_path_is_served_once(world: Served, path: str) -> None:
    async def allow(_: AdmissionRequest) -> AdmissionResponse:
        return ALLOWED

    world.server.validate(GUESTBOOKS, Validator())
    with pytest.raises(ValueError, match=r"there is a webhook at .* already|must start with a slash"):
        world.server.add(path, allow)


def test_a_kind_has_one_converter(world: Served) -> None:
    world.server.convert(GUESTBOOKS, lambda obj, version: obj)
    with pytest.raises(ValueError, match=r"a converter for Guestbook of example.com already"):
        world.server.convert(GUESTBOOKS, lambda obj, version: obj)


async def test_readiness_dials_the_server(world: Served) -> None:
    with pytest.raises(NotServingError, match="has not been started yet"):
        await world.server.check_started()
    async with running(world.server):
        await world.server.check_started()
    with pytest.raises(NotServingError, match="has not been started yet"):
        await world.server.check_started()


async def test_a_client_ca_lets_only_its_clients_in(tmp_path: Path) -> None:
    clients = create_authority(datetime.now(UTC))
    mine = clients.client("kube-apiserver", (), datetime.now(UTC))
    (tmp_path / "clients.crt").write_bytes(clients.certificate)
    (tmp_path / "client.pem").write_bytes(mine.certificate + mine.key)
    served = Served(tmp_path, client_ca=tmp_path / "clients.crt")
    served.server.validate(GUESTBOOKS, Validator())
    async with running(served.server) as session:
        await served.server.check_started()
        with pytest.raises(aiohttp.ClientError):
            await post(session, VALIDATE, admission_review(object={}))
    again = Served(tmp_path, client_ca=tmp_path / "clients.crt")
    again.server.validate(GUESTBOOKS, Validator())
    async with running(again.server, client=tmp_path / "client.pem") as session:
        assert (await post(session, VALIDATE, admission_review(object={})))["allowed"]


async def test_a_start_without_a_certificate_listens_nowhere(tmp_path: Path) -> None:
    served = Served(tmp_path)
    (tmp_path / "tls.key").unlink()
    with pytest.raises(Exception, match="cannot be served: No such file"):
        await served.server.start()
    assert served.server.address.port == 0


async def test_functions_get_the_request_and_api_errors_keep_their_code(world: Served) -> None:
    async def handle(request: AdmissionRequest) -> AdmissionResponse:
        raise NotFound(f"{request.user['username']} has none")

    world.server.add("/any", handle)
    async with running(world.server) as session:
        answer = await post(session, "/any", admission_review())
    assert (answer["status"]["code"], answer["status"]["message"]) == (404, "alice has none")


def test_a_manager_gets_the_server_and_its_check(tmp_path: Path) -> None:
    class Manager:
        def __init__(self) -> None:
            self.metrics, self.clock = Metrics(), SystemClock()
            self.cache: Any = type("Cache", (), {"wait_synced": staticmethod(lambda: None)})
            self.servers: list[WebhookServer] = []
            self.checks: dict[str, Any] = {}

        def add_server(self, server: WebhookServer) -> None:
            self.servers.append(server)

        def add_ready_check(self, name: str, check: Any) -> None:
            self.checks[name] = check

    manager = Manager()
    server = webhook_server(manager, files(tmp_path, manager.metrics))
    assert manager.servers == [server]
    assert manager.checks == {"webhook": server.check_started}
