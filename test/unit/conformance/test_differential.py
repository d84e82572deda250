"""The differential fuzzer without a real server: two local ones, one of which has a fault of ours."""

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.differential.runner import Outcome, Runner
from conformance.differential.sequences import compose, sequence
from conformance.differential.servers import in_process
from conformance.differential.shrink import shrink
from conformance.differential.steps import Step
from kdl_local.apiserver.request import Request, Response
from kdl_local.apiserver.server import ApiServer
from kdl_runtime.clock import SystemClock

Change = Callable[[ApiServer, Request], Awaitable[Response]]

SEEDS = range(90)


def server() -> ApiServer:
    return ApiServer(SystemClock(), random.Random(1))


class Faulty:
    """A server that does with each request what ``change`` makes of it."""

    def __init__(self, change: Change) -> None:
        self._server = server()
        self._change = change

    async def handle(self, request: Request, /) -> Response:
        return await self._change(self._server, request)


async def sound(real: ApiServer, request: Request) -> Response:
    return await real.handle(request)


async def forgets_label_selectors(real: ApiServer, request: Request) -> Response:
    if "resourceVersion" not in request.query and "watch" not in request.query and "/fz" in request.path:
        request.query = {name: values for name, values in request.query.items() if name != "labelSelector"}
    return await real.handle(request)


async def keeps_the_generation(real: ApiServer, request: Request) -> Response:
    response = await real.handle(request)
    if request.method in ("PUT", "PATCH") and isinstance(response.body, bytes) and b'"generation":' in response.body:
        obj = json.loads(response.body)
        obj["metadata"]["generation"] = 1
        response.body = json.dumps(obj).encode()
    return response


async def says_ok_for_created(real: ApiServer, request: Request) -> Response:
    response = await real.handle(request)
    if response.status == 201 and request.method == "PUT":
        response.status = 200
    return response


async def swaps_events(real: ApiServer, request: Request) -> Response:
    response = await real.handle(request)
    if not isinstance(response.body, bytes):
        response.body = _swapped(response.body)
    return response


async def _swapped(pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """The second and the third event change places."""
    held: list[bytes] = []
    count = 0
    async for piece in pieces:
        for line in piece.splitlines(keepends=True):
            count += 1
            if count == 2:
                held.append(line)
            else:
                yield line + b"".join(held)
                held.clear()


async def withholds_deletions(real: ApiServer, request: Request) -> Response:
    response = await real.handle(request)
    if not isinstance(response.body, bytes):
        response.body = _without(response.body, b'{"type":"DELETED"')
    return response


async def _without(pieces: AsyncGenerator[bytes, None], start: bytes) -> AsyncGenerator[bytes, None]:
    async for piece in pieces:
        yield b"".join(line for line in piece.splitlines(keepends=True) if not line.startswith(start))


async def swallows_warnings(real: ApiServer, request: Request) -> Response:
    response = await real.handle(request)
    response.warnings = ()
    return response


async def owns_too_little(real: ApiServer, request: Request) -> Response:
    response = await real.handle(request)
    if isinstance(response.body, bytes):
        response.body = response.body.replace(b'"f:seq":{}', b'"f:none":{}').replace(b'"f:image":{},', b"")
    return response


async def stores_dry_runs(real: ApiServer, request: Request) -> Response:
    request.query = {name: values for name, values in request.query.items() if (name, values) != ("dryRun", ["All"])}
    return await real.handle(request)


FAULTS: Iterable[Change] = (
    forgets_label_selectors,
    keeps_the_generation,
    says_ok_for_created,
    swaps_events,
    withholds_deletions,
    swallows_warnings,
    owns_too_little,
    stores_dry_runs,
)


async def first_finding(runner: Runner, seeds: Iterable[int]) -> Outcome | None:
    """Of sequences that run a few at a time."""
    waiting, found = iter(seeds), list[Outcome]()

    async def work() -> None:
        for seed in waiting:
            if found:
                return
            outcome = await runner.run(sequence(seed))
            if outcome.finding is not None:
                found.append(outcome)

    await asyncio.gather(*(work() for _ in range(8)))
    return found[0] if found else None


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_a_planted_difference_is_found(fault: Change) -> None:
    async with in_process("real", Faulty(sound)) as real, in_process("local", Faulty(fault)) as local:
        assert await first_finding(Runner(real, local, patience=1.0), SEEDS) is not None


async def test_two_sound_servers_do_not_differ() -> None:
    async with in_process("real", server()) as real, in_process("local", server()) as local:
        found = await first_finding(Runner(real, local, patience=1.0), SEEDS)
        assert found is None or found.finding is None, found.finding


@pytest.fixture(scope="module")
def sound_pair() -> Iterator[Callable[[Sequence[Step]], Outcome]]:
    """Runs a sequence on two servers that live as long as the examples that hypothesis draws."""
    with asyncio.Runner() as loop:

        async def enter() -> tuple[AsyncExitStack, Runner]:
            stack = AsyncExitStack()
            real = await stack.enter_async_context(in_process("real", server()))
            local = await stack.enter_async_context(in_process("local", server()))
            return stack, Runner(real, local, patience=1.0)

        stack, runner = loop.run(enter())
        yield lambda steps: loop.run(runner.run(steps))
        loop.run(stack.aclose())


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(rng=st.randoms(use_true_random=False))
def test_whatever_is_drawn_two_sound_servers_do_not_differ(
    sound_pair: Callable[[Sequence[Step]], Outcome], rng: random.Random
) -> None:
    assert sound_pair(compose(rng)).finding is None


async def test_a_finding_shrinks_to_what_shows_it() -> None:
    async with in_process("real", Faulty(sound)) as real, in_process("local", Faulty(says_ok_for_created)) as local:
        runner = Runner(real, local, patience=1.0)
        found = await first_finding(runner, SEEDS)
        assert found is not None

        async def shows(steps: Iterable[Step]) -> bool:
            finding = (await runner.run(list(steps))).finding
            return finding is not None and finding.unexplained[0].place == "code"

        short = await shrink(found.steps, shows)
        assert [step.method for step in short] == ["PUT"]
        assert str(short[0]).startswith('curl -X PUT "$SERVER/')


def test_a_seed_is_one_sequence() -> None:
    assert sequence(7) == sequence(7)
    assert sequence(7) != sequence(8)
