import asyncio
import io
import random
import socket
import ssl
import stat
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from kdl_local.apiserver.auth import AUTHENTICATED, Authenticator, User
from kdl_local.apiserver.certificates import KeyPair, create_authority
from kdl_local.apiserver.faults import FaultRates, RandomFaults
from kdl_local.apiserver.http import MAX_BODY, Credentials, HttpOptions, HttpServer, create_credentials
from kdl_local.apiserver.kubeconfig import write_kubeconfig
from kdl_local.apiserver.server import ApiServer
from kdl_runtime.clock import SystemClock
from kdl_runtime.codec.json import decode
from kdl_runtime.errors import Unauthorized
from kdl_runtime.types import Resource
from unit.kdl_local.apiserver.core.rig import CONFIG_MAPS, PODS, config_map, pod

NOW = datetime.now(UTC)
CONFIG_MAP_RESOURCE = Resource("", "v1", "ConfigMap", "configmaps")


@pytest.fixture(scope="module")
def credentials() -> Credentials:
    return create_credentials(NOW)


@pytest.fixture
async def front(credentials: Credentials) -> AsyncIterator[HttpServer]:
    options = HttpOptions(tokens={"s3cret": User("robot", ("machines",))})
    async with HttpServer(ApiServer(SystemClock(), random.Random(1)), credentials, options) as server:
        yield server


def client_context(credentials: Credentials, pair: KeyPair | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=credentials.authority.certificate.decode())
    context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    if pair is not None:
        with tempfile.NamedTemporaryFile() as file:
            file.write(pair.key + pair.certificate)
            file.flush()
            context.load_cert_chain(file.name)
    return context


@asynccontextmanager
async def session(
    front: HttpServer, credentials: Credentials, pair: KeyPair | None
) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(ssl=client_context(credentials, pair))
    async with aiohttp.ClientSession(front.url, connector=connector, timeout=aiohttp.ClientTimeout(10)) as found:
        yield found


@pytest.fixture
async def admin(front: HttpServer, credentials: Credentials) -> AsyncIterator[aiohttp.ClientSession]:
    async with session(front, credentials, credentials.admin) as found:
        yield found


WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


async def _who(client: aiohttp.ClientSession, **headers: str) -> tuple[int, Any]:
    async with client.post(WHO, json={}, headers=headers) as answer:
        return answer.status, (await answer.json())


async def test_a_client_certificate_says_who_one_is(admin: aiohttp.ClientSession) -> None:
    status, review = await _who(admin)
    assert status == 201
    assert review["status"]["userInfo"] == {
        "username": "kubernetes-admin",
        "groups": ["system:masters", "system:authenticated"],
    }


async def test_a_token_says_who_one_is(front: HttpServer, credentials: Credentials) -> None:
    async with session(front, credentials, None) as client:
        status, review = await _who(client, Authorization="Bearer s3cret")
        assert (status, review["status"]["userInfo"]["username"]) == (201, "robot")
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic s3cret"}):
            status, refusal = await _who(client, **headers)
            assert (status, refusal["kind"], refusal["reason"]) == (401, "Status", "Unauthorized")


async def test_a_certificate_of_another_authority_is_refused(front: HttpServer, credentials: Credentials) -> None:
    stranger = create_authority(NOW).client("kubernetes-admin", ("system:masters",), NOW)
    async with session(front, credentials, stranger) as client:
        with pytest.raises(aiohttp.ClientError):
            await _who(client)


async def test_only_this_machine_is_served(front: HttpServer) -> None:
    assert front.url == f"https://127.0.0.1:{front.port}"
    with socket.create_server(("127.0.0.2", front.port)):
        pass


async def test_requests_and_their_answers(admin: aiohttp.ClientSession) -> None:
    async with admin.post(CONFIG_MAPS, json=config_map("a", x="ä")) as answer:
        created = await answer.json()
        assert (answer.status, answer.content_type) == (201, "application/json")
    async with admin.get(f"{CONFIG_MAPS}/a") as answer:
        assert await answer.json() == created
    async with admin.head(f"{CONFIG_MAPS}/a") as answer:
        assert (answer.status, await answer.read()) == (200, b"")
    async with admin.get(f"{CONFIG_MAPS}/b") as answer:
        assert (answer.status, (await answer.json())["reason"]) == (404, "NotFound")
    body = {**pod("p"), "colour": "red"}
    async with admin.post(f"{PODS}?fieldValidation=Warn", json=body) as answer:
        assert answer.headers.getall("Warning") == [r'299 - "unknown field \"colour\""']


async def test_a_body_that_is_too_large(admin: aiohttp.ClientSession) -> None:
    async with admin.post(
        CONFIG_MAPS, data=io.BytesIO(b" " * (MAX_BODY + 1)), headers={"Content-Type": "application/json"}
    ) as answer:
        assert answer.status == 413
        assert (await answer.json())["reason"] == "RequestEntityTooLarge"


async def test_a_watch_streams_and_ends_with_its_client(front: HttpServer, admin: aiohttp.ClientSession) -> None:
    history = front.server.store.collection(CONFIG_MAP_RESOURCE).history
    async with admin.get(f"{CONFIG_MAPS}?watch=1") as watch:
        assert watch.headers["Content-Type"] == "application/json"
        async with admin.post(CONFIG_MAPS, json=config_map("a")) as answer:
            assert answer.status == 201
        event = decode(await watch.content.readline())
        assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", "a")
        assert history.watchers == 1
        tasks = tuple(front._streams)
        assert len(tasks) == 1
    await asyncio.wait(tasks, timeout=5)
    assert history.watchers == 0


async def test_a_watch_that_times_out_leaves_the_connection_usable(admin: aiohttp.ClientSession) -> None:
    async with admin.get(f"{CONFIG_MAPS}?watch=1&timeoutSeconds=1") as watch:
        assert await watch.read() == b""
    async with admin.get(CONFIG_MAPS) as answer:
        assert answer.status == 200


async def test_watches_end_when_the_server_stops(credentials: Credentials) -> None:
    front = HttpServer(ApiServer(SystemClock(), random.Random(1)), credentials)
    await front.start()
    async with session(front, credentials, credentials.admin) as client:
        async with client.get(f"{CONFIG_MAPS}?watch=1") as watch:
            async with asyncio.timeout(5):
                await front.stop()
                with pytest.raises(aiohttp.ClientError):
                    await watch.read()
        with pytest.raises(aiohttp.ClientConnectionError):
            await client.get(CONFIG_MAPS)


async def test_an_injected_break_is_a_broken_connection(front: HttpServer, admin: aiohttp.ClientSession) -> None:
    front.server.faults = RandomFaults(random.Random(1), FaultRates(lost_answer=1.0))
    with pytest.raises(aiohttp.ClientError):
        await admin.post(CONFIG_MAPS, json=config_map("a"))
    front.server.faults = RandomFaults(random.Random(1), FaultRates())
    async with admin.get(f"{CONFIG_MAPS}/a") as answer:
        assert answer.status == 200


async def test_a_defect_is_an_internal_error(
    front: HttpServer, admin: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(front.server, "handle", broken)
    async with admin.get(CONFIG_MAPS) as answer:
        assert (answer.status, (await answer.json())["reason"]) == (500, "InternalError")
    assert "a defect" in caplog.text


async def test_a_port_that_is_taken(front: HttpServer, credentials: Credentials) -> None:
    other = HttpServer(front.server, credentials, HttpOptions(port=front.port))
    with pytest.raises(OSError, match="address already in use"):
        await other.start()


async def test_the_kubeconfig_is_private_and_whole(front: HttpServer, tmp_path: Path) -> None:
    path = tmp_path / "private" / "kubeconfig"
    write_kubeconfig(path, front.access)
    write_kubeconfig(path, front.access)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [item.name for item in path.parent.iterdir()] == ["kubeconfig"]
    config = yaml.safe_load(path.read_text())
    assert config["clusters"][0]["cluster"]["server"] == front.url
    assert config["current-context"] == config["contexts"][0]["name"]


CERTIFICATE = {"subject": ((("organizationName", "a"),), (("organizationName", "b"),), (("commonName", "me"),))}


def test_who_a_certificate_names() -> None:
    assert Authenticator().authenticate(CERTIFICATE, "") == User("me", ("a", "b", AUTHENTICATED))


@pytest.mark.parametrize("certificate", [None, {}, {"subject": ((("organizationName", "a"),),)}])
def test_nobody(certificate: dict[str, Any] | None) -> None:
    with pytest.raises(Unauthorized):
        Authenticator().authenticate(certificate, "")


def test_a_bad_token_is_not_made_good_by_a_certificate() -> None:
    with pytest.raises(Unauthorized):
        Authenticator({"x": User("robot")}).authenticate(CERTIFICATE, "Bearer y")
