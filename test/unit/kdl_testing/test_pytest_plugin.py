"""The fixtures of the plugin, in projects of their own."""

import pytest

from kdl_runtime.transport.kubeconfig import load_config
from kdl_testing.local import LocalApi

LOADED = (LocalApi, load_config)
"""They need extension modules that cannot be loaded a second time, which pytester would do in its projects."""
pytest_plugins = ["pytester"]

HEAD = """
import asyncio
import pytest
from kdl_local.apiserver.faults import FaultRates
from kdl_runtime.client.client import Patch, PatchType
from kdl_runtime.errors import Forbidden, NotFound, ServiceUnavailable, TransportError
from kdl_runtime.resources.registry import CONFIGMAPS, NAMESPACES
from kdl_runtime.types import ObjectKey
from kdl_testing.sim.wire import WireFault

KEY = ObjectKey("default", "a")
CONFIGMAP = {"metadata": {"namespace": "default", "name": "a"}}
"""


def play(pytester: pytest.Pytester, body: str, *, asyncio: bool = True) -> pytest.RunResult:
    options = "asyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n" if asyncio else ""
    pytester.makeini(f"[pytest]\n{options}")
    pytester.makeconftest('pytest_plugins = ["kdl_testing.pytest_plugin"]')
    pytester.makepyfile(HEAD + body)
    arguments = ["-p", "no:cacheprovider", "-W", "error", *([] if asyncio else ["-p", "no:asyncio"])]
    return pytester.runpytest_inprocess(*arguments)


@pytest.mark.parametrize("asyncio", [True, False], ids=["with pytest-asyncio", "without"])
def test_a_marked_test_lives_on_virtual_time(pytester: pytest.Pytester, asyncio: bool) -> None:
    result = play(
        pytester,
        """
@pytest.mark.virtual_time
async def test_a_year(virtual_clock, local_cluster):
    begin = virtual_clock.now()
    await asyncio.sleep(365 * 24 * 3600)
    assert (virtual_clock.now() - begin).days == 365
    assert local_cluster.clock is virtual_clock

@pytest.mark.virtual_time
@pytest.mark.parametrize("seconds", [1, 2])
async def test_arguments(seconds, virtual_clock):
    await virtual_clock.sleep(seconds)
    assert virtual_clock.monotonic() == pytest.approx(seconds)

class TestMethods:
    @pytest.mark.virtual_time
    async def test_method(self):
        await asyncio.sleep(3600)

@pytest.mark.virtual_time
async def test_it_fails():
    await asyncio.Event().wait()
""",
        asyncio=asyncio,
    )
    result.assert_outcomes(passed=4, failed=1)
    result.stdout.fnmatch_lines(["*DeadlockError*"])


def test_the_local_cluster_is_reached_in_process_and_over_http(pytester: pytest.Pytester) -> None:
    result = play(
        pytester,
        """
from kdl_runtime.client.client import Client
from kdl_runtime.clock import SystemClock
from kdl_runtime.transport.http import HttpTransport
from kdl_runtime.transport.kubeconfig import load_config

async def test_both(local_cluster, recorder):
    await local_cluster.client("alice").create(CONFIGMAPS, CONFIGMAP)
    async with local_cluster.http() as kubeconfig:
        transport = HttpTransport(load_config(str(kubeconfig)), SystemClock())
        assert (await Client(transport, SystemClock()).get(CONFIGMAPS, KEY))["metadata"]["name"] == "a"
        await transport.close()
    assert [str(request) for request in recorder.requests] == [
        "create configmaps (201, by alice)", "get configmaps a (200, by kubernetes-admin)"
    ]

@pytest.mark.virtual_time
async def test_controllers(local_cluster):
    local_cluster.direct.create(NAMESPACES, {"metadata": {"name": "team"}})
    local_cluster.direct.create(CONFIGMAPS, {"metadata": {"namespace": "team", "name": "a"}})
    async with local_cluster.controllers():
        local_cluster.direct.delete(NAMESPACES, "", "team")
        await asyncio.sleep(60)
    assert local_cluster.direct.find(NAMESPACES, "", "team") is None

def test_definitions(local_cluster, tmp_path):
    names = {"kind": "Thing", "plural": "things", "singular": "thing"}
    schema = {"openAPIV3Schema": {"type": "object"}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    local_cluster.install_crds([{"metadata": {"name": "things.example.com"}, "spec": spec}])
    assert local_cluster.server.types.get("example.com", "v1", "things") is not None
""",
    )
    result.assert_outcomes(passed=3)


def test_faults_happen_when_they_are_asked_for(pytester: pytest.Pytester) -> None:
    result = play(
        pytester,
        """
pytestmark = pytest.mark.virtual_time

async def test_refusals(local_cluster, faults):
    client = local_cluster.client()
    faults.refuse(Forbidden("not today"), method="POST", path="/configmaps", times=2)
    for _ in range(2):
        with pytest.raises(Forbidden):
            await client.create(CONFIGMAPS, CONFIGMAP)
    await client.create(CONFIGMAPS, CONFIGMAP)
    assert faults.refused == 2
    faults.refuse(Forbidden("never"))
    with pytest.raises(Forbidden):
        await client.get(CONFIGMAPS, KEY)
    faults.relent()
    await client.get(CONFIGMAPS, KEY)

async def test_rates(local_cluster, faults):
    faults.rates = FaultRates(lost_answer=1.0)
    with pytest.raises(TransportError):
        await local_cluster.client().create(CONFIGMAPS, CONFIGMAP)
    assert local_cluster.direct.find(CONFIGMAPS, "default", "a") is not None

async def test_a_pause(local_cluster, faults, virtual_clock):
    with faults.during(WireFault.PAUSE, user="alice"):
        waiting = asyncio.ensure_future(local_cluster.client("alice").create(CONFIGMAPS, CONFIGMAP))
        await local_cluster.client("bob").list(CONFIGMAPS)
        await asyncio.sleep(100)
        assert not waiting.done()
    await waiting
    assert virtual_clock.monotonic() == pytest.approx(100)

async def test_stale_lists(local_cluster, faults):
    from kdl_runtime.client.client import ListOptions
    client = local_cluster.client()
    with faults.during(WireFault.STALE_LISTS):
        await client.create(CONFIGMAPS, CONFIGMAP)
        assert await client.list(CONFIGMAPS, "default", ListOptions(resource_version="0")) == []
        assert len(await client.list(CONFIGMAPS, "default")) == 1
    assert len(await client.list(CONFIGMAPS, "default", ListOptions(resource_version="0"))) == 1
""",
    )
    result.assert_outcomes(passed=4)


def test_the_recorder_knows_what_was_asked_and_what_it_changed(pytester: pytest.Pytester) -> None:
    result = play(
        pytester,
        """
pytestmark = pytest.mark.virtual_time

async def test_counts(local_cluster, recorder):
    client = local_cluster.client("operator")
    await client.create(CONFIGMAPS, CONFIGMAP)
    for value in ("1", "1"):
        await client.patch(CONFIGMAPS, KEY, Patch(PatchType.MERGE, {"data": {"n": value}}))
    with pytest.raises(NotFound):
        await client.get(CONFIGMAPS, ObjectKey("default", "b"))
    local_cluster.direct.patch(CONFIGMAPS, "default", "a", {"data": {"n": "2"}})
    assert (recorder.count("patch", CONFIGMAPS), recorder.count("get", "configmaps"), recorder.count()) == (2, 1, 4)
    assert recorder.count(user="somebody") == 0
    assert [request.changed for request in recorder.matching("patch")] == [True, False]
    assert recorder.summary()["create", "configmaps"] == 1
    with pytest.raises(AssertionError, match="1 requests have changed nothing: patch configmaps a"):
        recorder.assert_no_useless_writes()
    recorder.assert_no_useless_writes(user="somebody")
    recorder.clear()
    recorder.assert_no_useless_writes()
    assert recorder.requests == []
""",
    )
    result.assert_outcomes(passed=1)


def test_eventually_says_what_was_wrong_last(pytester: pytest.Pytester) -> None:
    result = play(
        pytester,
        """
pytestmark = pytest.mark.virtual_time

async def test_it_comes(eventually, virtual_clock):
    async def after_five():
        assert virtual_clock.monotonic() >= 5, "too early"
        return "done"
    assert await eventually(after_five) == "done"
    assert virtual_clock.monotonic() == pytest.approx(5, abs=0.1)

async def test_it_never_comes(eventually):
    def never():
        raise NotFound("nothing there")
    with pytest.raises(AssertionError, match="never did not hold within 2 s .21 attempts.; at last NotFound: nothing"):
        await eventually(never, within=2, every=0.1)
    with pytest.raises(AssertionError, match="at last it returned False"):
        await eventually(lambda: False, within=1)

async def test_other_errors_are_raised(eventually):
    with pytest.raises(ZeroDivisionError):
        await eventually(lambda: 1 / 0)
""",
    )
    result.assert_outcomes(passed=3)


def test_nobody_gets_the_plugin_who_has_not_asked_for_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(recorder): ...")
    pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:asyncio").assert_outcomes(errors=1)
