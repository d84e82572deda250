import random

import pytest

from kdl_local.apiserver.server import ApiServer, ServerOptions
from unit.kdl_local.apiserver.core.rig import Api, StillClock, widget_crd


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def server(clock: StillClock) -> ApiServer:
    return ApiServer(clock, random.Random(7))


@pytest.fixture
def api(server: ApiServer) -> Api:
    return Api(server)


@pytest.fixture
def forgetful(clock: StillClock) -> Api:
    """A server that remembers no change: every watch and consistent list of the past expires."""
    return Api(ApiServer(clock, random.Random(7), ServerOptions(history_size=0, watch_timeout=0.02)))


@pytest.fixture
def brief(clock: StillClock) -> Api:
    """A server whose watches end after some hundredths of a second."""
    return Api(ApiServer(clock, random.Random(7), ServerOptions(watch_timeout=0.02)))


@pytest.fixture
async def widgets(api: Api) -> Api:
    """The same server as ``api``, with the Widget CRD."""
    await api.ok("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", widget_crd())
    return api
