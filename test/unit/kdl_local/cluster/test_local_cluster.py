import asyncio
import stat
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from kdl_local.__main__ import resources
from kdl_local.apiserver.request import make_request
from kdl_local.cluster import ClusterError, ClusterOptions, LocalCluster
from kdl_local.guard import marked_processes
from kdl_local.node.fake import FakeNodeOptions
from kdl_local.resources import NODES, PODS, SERVICES
from kdl_runtime.codec.json import decode

FAKE = ClusterOptions(process_node=False, fake_nodes=FakeNodeOptions(count=2))


def pod(name: str, *command: str, **spec: Any) -> dict[str, Any]:
    containers = [{"name": "c", "image": "kdl/python", "command": list(command)}]
    return {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"containers": containers, "restartPolicy": "Never", **spec},
    }


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def exists(path: Path) -> bool:
    return path.exists()


async def test_a_cluster_is_complete_when_it_is_entered() -> None:
    async with LocalCluster(FAKE) as cluster:
        assert [node["metadata"]["name"] for node in cluster.server.direct.list(NODES)] == ["fake-0", "fake-1"]
        assert cluster.server.direct.get(SERVICES, "default", "kubernetes")["spec"]["clusterIP"] == "10.96.0.1"
        assert (mode(cluster.directory), mode(cluster.kubeconfig)) == (0o700, 0o600)
        assert cluster.url.startswith("https://127.0.0.1:")
        assert yaml.safe_load(cluster.kubeconfig.read_text())["clusters"][0]["cluster"]["server"] == cluster.url
        directory = cluster.directory
    assert not exists(directory)


async def test_without_credentials_nobody_gets_in() -> None:
    async with (
        LocalCluster(FAKE) as cluster,
        aiohttp.ClientSession() as session,
        session.get(f"{cluster.url}/api/v1/pods", ssl=False) as answer,
    ):
        assert answer.status == 401


async def test_a_pod_runs_and_nothing_is_left(tmp_path: Path) -> None:
    directory, kubeconfig = tmp_path / "state", tmp_path / "kubeconfig"
    async with LocalCluster(ClusterOptions(directory, kubeconfig)) as cluster:
        cluster.server.direct.create(PODS, pod("p", "sh", "-c", "echo $KUBERNETES_SERVICE_PORT; exec sleep 1000"))
        path = "/api/v1/namespaces/default/pods/p/log"
        log = b""
        while not log.endswith(b"\n"):
            response = await cluster.server.handle(make_request("GET", path))
            if not isinstance(response.body, bytes):
                log = b"".join([piece async for piece in response.body])
            await asyncio.sleep(0.01)
        assert log.decode().strip() == cluster.url.rpartition(":")[2]
        assert marked_processes(str(directory)) != []
    assert marked_processes(str(directory)) == []
    assert (exists(directory), exists(kubeconfig)) == (False, False)


async def test_beside_real_nodes_fake_ones_are_only_for_those_who_ask() -> None:
    options = ClusterOptions(fake_nodes=FakeNodeOptions(count=1, tainted=True))
    async with LocalCluster(options) as cluster:
        direct = cluster.server.direct
        direct.create(PODS, pod("real", "true"))
        tolerations = [{"key": "kdl.io/fake", "operator": "Exists"}]
        direct.create(PODS, pod("fake", "true", nodeSelector={"type": "fake"}, tolerations=tolerations))
        for _ in range(500):
            nodes = [direct.get(PODS, "default", name)["spec"].get("nodeName") for name in ("real", "fake")]
            if all(nodes):
                break
            await asyncio.sleep(0.01)
        assert nodes == ["local", "fake-0"]


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ("fake-1", "pod p only seems to run: fake-1 is a fake node"),
        ("elsewhere", "node elsewhere is not one of this cluster: nothing can be run there"),
    ],
)
@pytest.mark.parametrize("stream", ["exec?command=true&stdout=true", "attach?stdout=true", "portforward?ports=80"])
async def test_where_nothing_runs_there_is_nothing_to_stream_from(node: str, message: str, stream: str) -> None:
    async with LocalCluster(FAKE) as cluster:
        cluster.server.direct.create(PODS, pod("p", "true", nodeName=node))
        response = await cluster.server.handle(make_request("GET", f"/api/v1/namespaces/default/pods/p/{stream}"))
        assert (response.status, decode(response.complete)["message"]) == (400, message)


async def test_a_port_that_is_taken_is_told() -> None:
    async with LocalCluster(FAKE) as cluster:
        port = int(cluster.url.rpartition(":")[2])
        with pytest.raises(ClusterError, match=f"port {port} cannot be used"):
            async with LocalCluster(ClusterOptions(port=port, process_node=False)):
                pass


async def test_a_kubeconfig_of_somebody_else_is_not_touched(tmp_path: Path) -> None:
    precious = tmp_path / "config"
    precious.write_text("current-context: production\n")
    with pytest.raises(ClusterError, match="config exists and is not of a local cluster"):
        async with LocalCluster(ClusterOptions(kubeconfig=precious, process_node=False)):
            pass
    assert precious.read_text() == "current-context: production\n"


async def test_a_failing_part_is_reported() -> None:
    async with LocalCluster(FAKE) as cluster:
        assert cluster.fake_nodes is not None
        cluster.fake_nodes.names.append("ghost")
        cluster.fake_nodes._timers.add(("node", "ghost"))
        with pytest.raises(BaseExceptionGroup, match="unhandled errors"):
            await cluster.wait()


async def test_a_cluster_that_does_not_run_has_no_url() -> None:
    with pytest.raises(ClusterError, match="does not run"):
        _ = LocalCluster(FAKE).url


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", {}), ("cpu=4", {"cpu": "4"}), ("cpu=500m,nvidia.com/gpu=2", {"cpu": "500m", "nvidia.com/gpu": "2"})],
)
def test_resources_on_the_command_line(text: str, expected: dict[str, str]) -> None:
    assert resources(text) == expected


@pytest.mark.parametrize("text", ["cpu", "=4", "cpu=lots"])
def test_resources_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="write"):
        resources(text)
