"""The two servers of a run, with the definitions that sequences count on."""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from conformance.api import Api
from conformance.differential.custom_kinds import definitions, toys
from conformance.differential.kinds import Object
from conformance.differential.side import Side
from conformance.widgets import install
from kdl_local.apiserver.auth import ADMIN
from kdl_local.apiserver.http import HttpOptions, HttpServer, create_credentials
from kdl_local.apiserver.server import ApiServer
from kdl_runtime.clock import SystemClock
from kdl_runtime.transport.config import ClusterConfig, Source, UserConfig
from kdl_runtime.transport.http import HttpTransport, Transport
from kdl_runtime.transport.kubeconfig import load_config
from kdl_testing.direct import DirectTransport, RequestHandler
from kdl_testing.envtest.control_plane import ControlPlane
from kdl_testing.envtest.options import API_SERVER, ControlPlaneOptions

KUBECONFIG = "KDL_CONFORMANCE_KUBECONFIG"
"""Names a server to use in place of one that is started."""

_TOKEN = "differential"
_FLAGS = (
    # As a cluster has them: sequences make the service accounts that pods are refused without.
    "--disable-admission-plugins=",
    # Sequences run side by side, and none of them is to be told to come back later.
    "--max-requests-inflight=2000",
    "--max-mutating-requests-inflight=1000",
)


@asynccontextmanager
async def real_server() -> AsyncIterator[Side]:
    """kube-apiserver: the one that KDL_CONFORMANCE_KUBECONFIG names, else one of our own."""
    given = os.environ.get(KUBECONFIG)
    if given:
        async with _over_http("real", load_config(given)) as side:
            yield side
        return
    loop = asyncio.get_running_loop()
    plane = ControlPlane(ControlPlaneOptions(extra_args={API_SERVER: _FLAGS}))
    try:
        await loop.run_in_executor(None, plane.start)
        async with _over_http("real", load_config(str(plane.kubeconfig))) as side:
            yield side
    finally:
        await loop.run_in_executor(None, plane.stop)


@asynccontextmanager
async def local_server() -> AsyncIterator[Side]:
    """kdl_local's API server behind its own front door, without controllers or nodes."""
    clock = SystemClock()
    credentials = create_credentials(clock.now())
    server = ApiServer(clock, random.Random(0))
    async with HttpServer(server, credentials, HttpOptions(tokens={_TOKEN: ADMIN})) as http:
        access = http.access
        config = ClusterConfig(access.server, ca=Source(access.authority), user=UserConfig(token=_TOKEN))
        async with _over_http("local", config) as side:
            yield side


@asynccontextmanager
async def in_process(name: str, server: RequestHandler) -> AsyncIterator[Side]:
    """An API server, or what stands in front of one, without HTTP and without our jobs, which take long to compile."""
    transport = DirectTransport(server)
    await _install(transport, toys())
    yield Side(name, transport)


@asynccontextmanager
async def _over_http(name: str, config: ClusterConfig) -> AsyncIterator[Side]:
    transport = HttpTransport(config, SystemClock())
    try:
        await _install(transport, definitions())
        yield Side(name, transport)
    finally:
        await transport.close()


async def _install(transport: Transport, crds: Iterable[Object]) -> None:
    api = Api(transport, "default")
    for crd in crds:
        if (
            await api("GET", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{crd['metadata']['name']}")
        ).code == 404:
            await install(api, crd)
