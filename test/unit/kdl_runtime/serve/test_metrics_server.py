"""Secure metrics: over TLS, and for whom the API server says."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from kdl_runtime.client.client import Client
from kdl_runtime.clock import SystemClock
from kdl_runtime.codec.json import decode, encode
from kdl_runtime.errors import TransportError
from kdl_runtime.observe.metrics import CONTENT_TYPE, Metrics
from kdl_runtime.serve.access import GRANTED, UNAUTHORIZED, AccessOptions, AccessReviews, Verdict
from kdl_runtime.serve.address import Address
from kdl_runtime.serve.certificates import PairPaths
from kdl_runtime.serve.issuing import new_authority, new_server_certificate
from kdl_runtime.serve.metrics_server import MetricsSecurity, metrics_server
from kdl_runtime.serve.own_certificate import OwnCertificate
from kdl_runtime.transport.http import HttpRequest, HttpResponse
from unit.kdl_runtime.conftest import ManualClock
from unit.kdl_runtime.webhook.trust import served

ANY = Address("127.0.0.1", 0)
USERS = {"good": "alice", "bad": "mallory"}


class Reviewer:
    """An API server that knows two tokens, one of which is of somebody who may read metrics."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.broken = ""

    async def request(self, request: HttpRequest) -> HttpResponse:
        review = decode(request.body)
        self.asked.append(review)
        if self.broken == review["kind"]:
            raise TransportError("the API server is away")
        spec = review["spec"]
        status: Mapping[str, Any]
        if review["kind"] == "TokenReview":
            user = USERS.get(spec["token"])
            status = {"authenticated": bool(user), "user": {"username": user, "groups": ["g"], "extra": {"a": ["b"]}}}
        else:
            status = {"allowed": spec["user"] == "alice"}
        return HttpResponse(201, {}, encode({**review, "status": status}))

    def stream(self, request: HttpRequest) -> Any:
        raise AssertionError

    async def close(self) -> None:
        raise AssertionError

    @property
    def kinds(self) -> list[str]:
        return [review["kind"] for review in self.asked]


@pytest.fixture
def reviewer() -> Reviewer:
    return Reviewer()


@pytest.fixture
def reviews(reviewer: Reviewer, manual_clock: ManualClock) -> AccessReviews:
    return AccessReviews(Client(reviewer, manual_clock), manual_clock)


@pytest.mark.parametrize(
    ("authorization", "verdict", "asked"),
    [
        ("Bearer good", GRANTED, ["TokenReview", "SubjectAccessReview"]),
        ("bearer  good ", GRANTED, ["TokenReview", "SubjectAccessReview"]),
        (
            "Bearer bad",
            Verdict(403, "Authorization denied for user mallory"),
            ["TokenReview", "SubjectAccessReview"],
        ),
        ("Bearer other", UNAUTHORIZED, ["TokenReview"]),
        ("", UNAUTHORIZED, []),
        ("Bearer ", UNAUTHORIZED, []),
        ("Basic Z29vZA==", UNAUTHORIZED, []),
        ("Bearer " + "x" * 70_000, UNAUTHORIZED, []),
    ],
)
async def test_verdicts(
    reviews: AccessReviews, reviewer: Reviewer, authorization: str, verdict: Verdict, asked: list[str]
) -> None:
    assert await reviews.verdict(authorization, "GET", "/metrics") == verdict
    assert await reviews.verdict(authorization, "GET", "/metrics") == verdict
    assert reviewer.kinds == asked


async def test_what_is_asked(reviews: AccessReviews, reviewer: Reviewer) -> None:
    await reviews.verdict("Bearer good", "GET", "/metrics")
    token, access = reviewer.asked
    assert (token["apiVersion"], token["spec"]) == ("authentication.k8s.io/v1", {"token": "good"})
    assert access["apiVersion"] == "authorization.k8s.io/v1"
    assert access["spec"] == {
        "user": "alice",
        "uid": "",
        "groups": ["g"],
        "extra": {"a": ["b"]},
        "nonResourceAttributes": {"verb": "get", "path": "/metrics"},
    }


@pytest.mark.parametrize(
    ("token", "seconds", "asked"),
    [
        ("good", 59, []),
        ("good", 61, ["TokenReview"]),
        ("good", 301, ["TokenReview", "SubjectAccessReview"]),
        ("bad", 29, []),
        ("bad", 31, ["SubjectAccessReview"]),
        ("other", 29, []),
        ("other", 31, ["TokenReview"]),
    ],
)
async def test_answers_are_believed_for_a_while(token: str, seconds: float, asked: list[str]) -> None:
    reviewer, clock = Reviewer(), ManualClock()
    reviews = AccessReviews(Client(reviewer, clock), clock)
    before = await reviews.verdict(f"Bearer {token}", "GET", "/metrics")
    reviewer.asked.clear()
    clock.advance(seconds)
    assert await reviews.verdict(f"Bearer {token}", "GET", "/metrics") == before
    assert reviewer.kinds == asked


async def test_what_is_kept_is_bounded(reviewer: Reviewer, manual_clock: ManualClock) -> None:
    reviews = AccessReviews(Client(reviewer, manual_clock), manual_clock, AccessOptions(entries=2))
    for token in ("a", "b", "c", "a"):
        await reviews.verdict(f"Bearer {token}", "GET", "/metrics")
    assert len(reviewer.asked) == 4


@pytest.mark.parametrize(
    ("broken", "text"),
    [("TokenReview", "Authentication failed"), ("SubjectAccessReview", "Authorization for user alice failed")],
)
async def test_what_cannot_be_decided_is_refused_and_not_kept(
    reviews: AccessReviews, reviewer: Reviewer, broken: str, text: str
) -> None:
    reviewer.broken = broken
    assert await reviews.verdict("Bearer good", "GET", "/metrics") == Verdict(500, text)
    reviewer.broken = ""
    assert await reviews.verdict("Bearer good", "GET", "/metrics") == GRANTED


@asynccontextmanager
async def serving(
    reviewer: Reviewer, security: MetricsSecurity | None, context: ssl.SSLContext | bool
) -> AsyncIterator[aiohttp.ClientSession]:
    clock = SystemClock()
    server = metrics_server(Metrics(), ANY, security, Client(reviewer, clock), clock)
    await server.start()
    try:
        connector = aiohttp.TCPConnector(ssl=context)
        scheme = "http" if security is None else "https"
        async with aiohttp.ClientSession(f"{scheme}://{server.address}", connector=connector) as session:
            yield session
    finally:
        await server.stop()


@pytest.mark.parametrize(
    ("token", "status", "text"),
    [
        ("other", 401, "Unauthorized\n"),
        ("bad", 403, "Authorization denied for user mallory\n"),
        ("good", 200, "# HELP"),
    ],
)
async def test_scrapes(reviewer: Reviewer, token: str, status: int, text: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        serving(reviewer, MetricsSecurity(), context=False) as session,
        session.get("/metrics", headers=headers) as answer,
    ):
        assert answer.status == status
        assert (await answer.text()).startswith(text)
        assert (answer.headers["Content-Type"] == CONTENT_TYPE) is (status == 200)


async def test_a_path_that_is_not_there_tells_nothing_to_strangers(reviewer: Reviewer) -> None:
    async with (
        serving(reviewer, MetricsSecurity(), context=False) as session,
        session.get("/other") as answer,
    ):
        assert answer.status == 401


async def test_a_given_certificate_is_served(reviewer: Reviewer, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    authority = new_authority("ca", now, timedelta(days=1))
    pair = new_server_certificate(authority, ["127.0.0.1"], now, timedelta(days=1))
    (tmp_path / "tls.crt").write_bytes(pair.certificate)
    (tmp_path / "tls.key").write_bytes(pair.key)
    context = ssl.create_default_context(cadata=authority.certificate.decode())
    security = MetricsSecurity(PairPaths(tmp_path), access=False)
    async with serving(reviewer, security, context) as session, session.get("/metrics") as answer:
        assert answer.status == 200
    assert reviewer.asked == []


async def test_without_security_everybody_reads_plain_text(reviewer: Reviewer) -> None:
    async with serving(reviewer, None, context=True) as session, session.get("/metrics") as answer:
        assert answer.status == 200
    assert reviewer.asked == []


async def test_an_own_certificate_is_made_anew_long_before_it_ends() -> None:
    class Clock(ManualClock):
        """For 800 days."""

        async def sleep(self, seconds: float) -> None:
            shown.append(served(certificate.context))
            if len(shown) > 800:
                over.set()
                await asyncio.Event().wait()
            self.advance(seconds)

    shown: list[bytes] = []
    over = asyncio.Event()
    certificate = OwnCertificate(clock=Clock())
    await certificate.start()
    await over.wait()
    await certificate.stop()
    assert [len(list(days)) for _, days in groupby(shown)] == [245, 245, 245, 66]
