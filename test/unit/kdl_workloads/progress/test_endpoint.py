"""The endpoint as an HTTP client sees it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer

from kdl_runtime.client.client import Client
from kdl_runtime.clock import SystemClock
from kdl_runtime.codec.json import decoder, encode
from kdl_runtime.types import ObjectKey
from kdl_testing.direct import DirectTransport
from kdl_workloads.engine.view import JobView
from kdl_workloads.progress import endpoint as endpoints
from kdl_workloads.progress.endpoint import ProgressEndpoint
from kdl_workloads.progress.environment import report_path
from kdl_workloads.progress.report import MAX_BYTES, Report
from kdl_workloads.progress.target import Jobs, Target
from kdl_workloads.progress.tokens import Tokens
from kdl_workloads.progress.writer import ProgressWriter
from unit.kdl_workloads.operator.cluster import PYTORCH_JOBS, Gateway

TOKENS = Tokens(bytes(32))
KEY = ObjectKey("ns", "job")
PATH = report_path(PYTORCH_JOBS, KEY)
REPORT = {"percentage": 10}


class KnownJobs(Jobs):
    """The jobs of a test, by name: UID and whether it has finished."""

    def __init__(self) -> None:
        super().__init__()
        self.known = {"job": ("uid-job", False), "done": ("uid-done", True), "other": ("uid-other", False)}

    def find(self, api_version: str, plural: str, key: ObjectKey) -> tuple[Target, JobView] | None:
        if (api_version, plural, key.namespace) != (
            "kubeflow.org/v1",
            "pytorchjobs",
            "ns",
        ) or key.name not in self.known:
            return None
        uid, finished = self.known[key.name]
        conditions = [{"type": "Succeeded", "status": "True"}] if finished else []
        view = decoder(JobView)(encode({"metadata": {"uid": uid}, "status": {"conditions": conditions}}))
        return Target(PYTORCH_JOBS, key, uid), view


class StillClock(SystemClock):
    time = 0.0

    def monotonic(self) -> float:
        return self.time


class Kept(ProgressWriter):
    """Keeps what it should write."""

    def __init__(self, jobs: Jobs) -> None:
        async def nobody(_request: Any) -> Any:
            raise AssertionError

        super().__init__(Client(DirectTransport(Gateway(nobody)), SystemClock()), SystemClock(), jobs)
        self.reports: list[tuple[str, Report]] = []

    def submit(self, target: Target, report: Report) -> None:
        self.reports.append((target.key.name, report))


@dataclass
class Served:
    client: TestClient[Any, Any]
    writer: Kept
    clock: StillClock
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    async def post(self, path: str = PATH, token: str | None = None, **request: Any) -> tuple[int, str]:
        token = f"Bearer {TOKENS.issue('uid-job')}" if token is None else token
        headers = {"Authorization": token} if token else {}
        if "data" not in request:
            request["json"] = request.get("json", REPORT)
        async with self.client.post(path, headers=headers, **request) as response:
            return response.status, await response.text()


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    jobs, clock = KnownJobs(), StillClock()
    writer = Kept(jobs)
    app = ProgressEndpoint(jobs, TOKENS, writer, clock).app()
    async with TestClient(TestServer(app)) as client:
        yield Served(client, writer, clock)


async def test_a_good_report_is_taken(served: Served) -> None:
    assert await served.post(json={"step": 1, "total": 2, "metrics": {"loss": 0.5}}) == (202, "")
    assert served.writer.reports == [("job", Report(step=1, total=2, metrics={"loss": 0.5}))]


@pytest.mark.parametrize(
    ("path", "token"),
    [
        (PATH, ""),
        (PATH, "Bearer"),
        (PATH, "Bearer x"),
        (PATH, TOKENS.issue("uid-job")),
        (PATH, f"Basic {TOKENS.issue('uid-job')}"),
        (PATH, f"Bearer {TOKENS.issue('uid-other')}"),
        (PATH.replace("/job/", "/nobody/"), f"Bearer {TOKENS.issue('uid-job')}"),
        (PATH.replace("/ns/", "/other/"), f"Bearer {TOKENS.issue('uid-job')}"),
        (PATH.replace("v1", "v2"), f"Bearer {TOKENS.issue('uid-job')}"),
    ],
)
async def test_who_has_not_the_token_of_the_job_learns_nothing(served: Served, path: str, token: str) -> None:
    assert await served.post(path, token) == (401, "no such job, or not its token\n")
    assert served.writer.reports == []


@pytest.mark.parametrize(
    ("request_", "status", "told"),
    [
        ({"data": b"x"}, 400, "a report is a JSON object"),
        ({"json": {"percentage": 200}}, 400, "percentage is 200 and must be from 0 to 100"),
        ({"data": b" " * (MAX_BYTES + 1)}, 413, "exceeded"),
        ({"path": "/apis/kubeflow.org/v1/pytorchjobs"}, 404, "Not Found"),
        ({"path": "/"}, 404, "Not Found"),
    ],
)
async def test_refused(served: Served, request_: dict[str, Any], status: int, told: str) -> None:
    code, text = await served.post(**request_)
    assert code == status
    assert told in text
    assert served.writer.reports == []


async def test_a_job_that_has_finished_reports_no_more(served: Served) -> None:
    token = f"Bearer {TOKENS.issue('uid-done')}"
    assert await served.post(PATH.replace("/job/", "/done/"), token) == (409, "the job has finished\n")


async def test_only_post_is_answered(served: Served) -> None:
    async with served.client.get(PATH) as response:
        assert response.status == 405


async def test_a_job_is_listened_to_twice_a_second(served: Served) -> None:
    codes = [(await served.post())[0] for _ in range(12)]
    assert codes == [202] * 10 + [429] * 2
    other = f"Bearer {TOKENS.issue('uid-other')}"
    assert (await served.post(PATH.replace("/job/", "/other/"), other))[0] == 202, "one job does not silence another"
    served.clock.time += 1
    assert [(await served.post())[0] for _ in range(3)] == [202, 202, 429]


async def test_all_together_are_bounded_before_anything_is_read(served: Served) -> None:
    codes = [(await served.post(token="Bearer x"))[0] for _ in range(501)]
    assert codes == [401] * 500 + [429]
    async with served.client.post(PATH) as response:
        assert (response.status, response.headers["Retry-After"]) == (429, "1")


async def test_a_body_that_does_not_come_is_not_waited_for(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "BODY_SECONDS", 0.05)
    end = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b'{"percentage"'
        await end.wait()

    headers = {"Authorization": f"Bearer {TOKENS.issue('uid-job')}"}
    try:
        async with served.client.post(PATH, headers=headers, data=slow()) as response:
            assert (response.status, await response.text()) == (408, "the body took more than 0.05 s\n")
    except aiohttp.ClientError as error:
        pytest.fail(f"no answer: {error!r}")
    finally:
        end.set()
    assert served.writer.reports == []
