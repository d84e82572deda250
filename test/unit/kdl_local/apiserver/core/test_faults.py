import asyncio
import random

import pytest

from kdl_local.apiserver.faults import FaultRates, RandomFaults, RequestFault, WatchFault
from kdl_local.apiserver.request import Request, make_request
from kdl_runtime.errors import TransportError
from unit.kdl_local.apiserver.core.rig import CONFIG_MAPS, Api, config_map


def _faults(rates: FaultRates) -> RandomFaults:
    return RandomFaults(random.Random(1), rates)


NO_FAULTS = _faults(FaultRates())


@pytest.mark.parametrize(
    ("rates", "method", "code", "reason"),
    [
        (FaultRates(too_many_requests=1.0), "GET", 429, "TooManyRequests"),
        (FaultRates(internal_error=1.0), "GET", 500, "InternalError"),
        (FaultRates(conflict=1.0), "PUT", 409, "Conflict"),
        (FaultRates(conflict=1.0), "GET", 200, ""),
    ],
)
async def test_errors_are_injected(api: Api, rates: FaultRates, method: str, code: int, reason: str) -> None:
    await api.ok("POST", CONFIG_MAPS, config_map("a"))
    api.server.faults = _faults(rates)
    answer = await api(method, f"{CONFIG_MAPS}/a", config_map("a", x="1") if method == "PUT" else None)
    assert answer.code == code
    assert answer.object.get("reason", "") == reason
    assert ("Retry-After" in answer.response.headers) == (code == 429)
    api.server.faults = NO_FAULTS
    assert not (await api.ok("GET", f"{CONFIG_MAPS}/a")).get("data"), "nothing was carried out"


@pytest.mark.parametrize(("rates", "done"), [(FaultRates(refused=1.0), False), (FaultRates(lost_answer=1.0), True)])
async def test_connections_break_before_or_after(api: Api, rates: FaultRates, done: bool) -> None:
    api.server.faults = _faults(rates)
    with pytest.raises(TransportError):
        await api("POST", CONFIG_MAPS, config_map("a"))
    api.server.faults = NO_FAULTS
    assert ((await api("GET", f"{CONFIG_MAPS}/a")).code == 200) is done


async def test_watches_expire_end_and_fall_silent(brief: Api) -> None:
    url = f"{CONFIG_MAPS}?watch=1&allowWatchBookmarks=1"
    await brief.ok("POST", CONFIG_MAPS, config_map("a"))
    brief.server.faults = _faults(FaultRates(expired_watch=1.0))
    revision = (await brief.ok("GET", CONFIG_MAPS))["metadata"]["resourceVersion"]
    ((type_, status),) = await brief.events(f"{url}&resourceVersion={revision}")
    assert (type_, status["reason"]) == ("ERROR", "Expired")
    assert [type_ for type_, _ in await brief.events(url)] == ["ADDED", "BOOKMARK"], "it resumes from nowhere"
    brief.server.faults = _faults(FaultRates(dropped_watch=1.0, watch_span=(0.0, 0.0)))
    assert [type_ for type_, _ in await brief.events(url)] == ["ADDED"], "without a bookmark"
    brief.server.faults = _faults(FaultRates(silent_watch=1.0, watch_span=(0.0, 0.0)))
    watching = asyncio.create_task(brief.events(f"{url}&timeoutSeconds=1"))
    await asyncio.sleep(0)
    await brief.ok("POST", CONFIG_MAPS, config_map("b"))
    assert [type_ for type_, _ in await watching] == ["ADDED"]


def test_the_same_seed_gives_the_same_faults() -> None:
    rates = FaultRates(latency=(0.0, 2.0), too_many_requests=0.3, internal_error=0.2, refused=0.1, dropped_watch=0.5)
    request = make_request("GET", "/api/v1/pods?watch=1")

    def draw(seed: int) -> list[object]:
        faults = RandomFaults(random.Random(seed), rates)
        drawn: list[object] = []
        for _ in range(50):
            fault = faults.request(request)
            drawn += [fault.latency, type(fault.error), fault.refused, faults.watch(request)]
        return drawn

    assert draw(3) == draw(3)
    assert draw(3) != draw(4)


def test_faults_are_for_those_who_are_picked() -> None:
    rates = FaultRates(refused=1.0, dropped_watch=1.0)

    def from_operator(request: Request) -> bool:
        return request.header("user-agent") == "operator"

    faults = RandomFaults(random.Random(1), rates, from_operator)
    other, operator = make_request("GET", "/"), make_request("GET", "/", headers={"User-Agent": "operator"})
    assert faults.request(other) == RequestFault()
    assert faults.watch(other) == WatchFault()
    assert faults.request(operator).refused
    assert faults.watch(operator).drop_after is not None


async def test_latency_passes_before_the_answer(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(api.server._clock, "sleep", sleep)
    api.server.faults = _faults(FaultRates(latency=(1.0, 2.0)))
    await api.ok("GET", CONFIG_MAPS)
    assert len(slept) == 1 and 1.0 <= slept[0] <= 2.0
