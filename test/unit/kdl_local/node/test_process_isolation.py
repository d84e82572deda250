"""What containers see of the file system and of names, and that the host sees nothing of it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import kdl_local
from kdl_local.node.launch import Isolation
from kdl_local.resources import CONFIG_MAPS, PODS, SERVICES
from unit.kdl_local.node.rig import NodeRig, RunningNode


def config_map(rig: NodeRig, **data: str) -> dict[str, Any]:
    rig.direct.create(CONFIG_MAPS, {"metadata": {"name": "cm", "namespace": "default"}, "data": data})
    return {"name": "v", "configMap": {"name": "cm"}}


def mounted(path: str, **more: Any) -> dict[str, Any]:
    return {"volumeMounts": [{"name": "v", "mountPath": path, **more}]}


def host_state(path: str) -> tuple[str, bool, list[Path]]:
    """What the host has mounted, whether it has this path, and what is beside it."""
    place = Path(path)
    beside = sorted(place.parent.iterdir()) if place.parent.exists() else []
    return Path("/proc/self/mountinfo").read_text(encoding="utf-8"), place.exists(), beside


PATHS = [
    "/kdl-test-data",
    "/kdl-test-data/deep/er",
    "/etc/kdl-test",
    "/usr/local/kdl-test/x",
    "/opt",
    "/var/run/kdl-test",
]


@pytest.mark.parametrize("path", PATHS)
async def test_mount_paths_need_not_exist_and_leave_nothing(isolated: NodeRig, path: str) -> None:
    before = host_state(path)
    script = f"cat {path}/k && ls / /etc > /dev/null && head -1 /etc/passwd"
    volume = config_map(isolated, k="v\n")
    isolated.pod("p", "sh", "-c", script, volumes=[volume], container=mounted(path))
    assert await isolated.phase("p") == "Succeeded", await isolated.log("p")
    first, second = (await isolated.log("p")).splitlines()
    assert (first, second.split(":")[0]) == ("v", "root")
    assert host_state(path) == before


async def test_containers_of_a_pod_share_a_volume(isolated: NodeRig) -> None:
    init = [{"name": "i", "image": "i", "command": ["sh", "-c", "echo made > /work-dir/x"], **mounted("/work-dir")}]
    isolated.pod(
        "p",
        "cat",
        "/elsewhere/x",
        initContainers=init,
        volumes=[{"name": "v", "emptyDir": {}}],
        container=mounted("/elsewhere"),
    )
    assert await isolated.phase("p") == "Succeeded"
    assert await isolated.log("p") == "made\n"


async def test_read_only_mounts(isolated: NodeRig) -> None:
    isolated.pod(
        "p",
        "sh",
        "-c",
        "touch /data/x",
        volumes=[{"name": "v", "emptyDir": {}}],
        container=mounted("/data", readOnly=True),
    )
    assert await isolated.phase("p") == "Failed"
    assert "Read-only file system" in await isolated.log("p")


async def test_sub_paths_and_volumes_inside_volumes(isolated: NodeRig) -> None:
    mounts = [
        {"name": "v", "mountPath": "/data"},
        {"name": "cm", "mountPath": "/data/conf"},
        {"name": "cm", "mountPath": "/data/one-file", "subPath": "k"},
        {"name": "v", "mountPath": "/part", "subPath": "some/part"},
    ]
    script = "cat /data/conf/k /data/one-file; echo in part > /part/x; cat /data/some/part/x"
    config = {**config_map(isolated, k="v\n"), "name": "cm"}
    isolated.pod(
        "p", "sh", "-c", script, volumes=[{"name": "v", "emptyDir": {}}, config], container={"volumeMounts": mounts}
    )
    assert await isolated.phase("p") == "Succeeded", await isolated.log("p")
    assert await isolated.log("p") == "v\nv\nin part\n"


async def test_host_paths_are_the_host(isolated: NodeRig, tmp_path: Path) -> None:
    volume = {"name": "v", "hostPath": {"path": str(tmp_path / "out"), "type": "DirectoryOrCreate"}}
    isolated.pod("p", "sh", "-c", "echo kept > /out/result", volumes=[volume], container=mounted("/out"))
    assert await isolated.phase("p") == "Succeeded"
    assert (tmp_path / "out" / "result").read_text() == "kept\n"


async def test_a_volume_that_cannot_be_set_up_is_told_and_waited_for(isolated: NodeRig) -> None:
    isolated.pod(
        "p", "cat", "/data/k", volumes=[{"name": "v", "configMap": {"name": "cm"}}], container=mounted("/data")
    )
    await isolated.until(lambda: isolated.events("FailedMount"))
    assert isolated.events("FailedMount") == ['MountVolume.SetUp failed for volume "v" : configmap "cm" not found']
    assert isolated.status("p")["phase"] == "Pending"
    config_map(isolated, k="v")
    assert await isolated.phase("p") == "Succeeded"


async def test_the_termination_message(isolated: NodeRig) -> None:
    isolated.pod("p", "sh", "-c", "echo -n reason > /dev/termination-log; exit 1")
    other = {"terminationMessagePath": "/tmp/kdl-test-message"}
    isolated.pod("q", "sh", "-c", "echo -n other > /tmp/kdl-test-message", container=other)
    fallback = {"terminationMessagePolicy": "FallbackToLogsOnError"}
    isolated.pod("r", "sh", "-c", "echo last words; exit 1", container=fallback)
    for name in "pqr":
        await isolated.phase(name)
    assert [isolated.ended(name).get("message") for name in "pqr"] == ["reason", "other", "last words\n"]
    assert not host_state("/tmp/kdl-test-message")[1]


def service(rig: NodeRig, name: str, **spec: Any) -> None:
    rig.direct.create(
        SERVICES,
        {
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"clusterIP": "None", "selector": {"app": name}, "ports": [{"port": 80}], **spec},
        },
    )


async def test_a_service_resolves_as_soon_as_its_pod_is_ready(isolated: NodeRig) -> None:
    service(isolated, "web")
    isolated.pod("client", "sh", "-c", "until getent hosts web.default.svc; do sleep 0.05; done")
    await isolated.phase("client", "Running")
    isolated.pod("server", "sleep", "1000", metadata={"labels": {"app": "web"}})
    assert await isolated.phase("client") == "Succeeded"
    assert (await isolated.log("client")).split()[0] == isolated.status("server")["podIP"]


async def test_a_name_stops_to_resolve_with_its_pod(isolated: NodeRig) -> None:
    service(isolated, "web")
    isolated.pod("server", "sleep", "1000", metadata={"labels": {"app": "web"}})
    await isolated.phase("server", "Running")
    known = "grep -q web.default /etc/hosts"
    script = f"until {known}; do sleep 0.05; done; echo there; while {known}; do sleep 0.05; done"
    isolated.pod("client", "sh", "-c", script)
    await isolated.said("client", "there")
    isolated.direct.delete(PODS, "default", "server")
    assert await isolated.phase("client") == "Succeeded"


async def test_a_pod_knows_its_own_name(isolated: NodeRig) -> None:
    code = "import socket; name = socket.gethostname(); print(name, socket.gethostbyname(name))"
    isolated.pod("p", "python", "-c", code)
    await isolated.phase("p")
    assert (await isolated.log("p")).split() == ["p", isolated.status("p")["podIP"]]


async def test_without_isolation_pods_without_volumes_run(running_node: RunningNode) -> None:
    async with running_node(Isolation.NONE) as rig:
        rig.pod("plain", "sh", "-c", "exit 4")
        rig.pod("volume", "true", volumes=[{"name": "v", "emptyDir": {}}], container=mounted("/data"))
        assert await rig.phase("plain") == "Failed"
        assert rig.ended("plain")["exitCode"] == 4
        await rig.until(lambda: rig.events("Failed"))
        (event,) = rig.events("Failed")
        assert "this system allows no mount namespaces" in event
        assert rig.container("volume")["state"]["waiting"]["reason"] == "CreateContainerConfigError"


async def test_in_a_user_namespace(running_node: RunningNode, best_isolation: Isolation) -> None:
    if best_isolation is Isolation.NONE:
        pytest.skip("this system grants no mount namespaces")
    async with running_node(Isolation.USER) as rig:
        script, volume = "id -u; cat /kdl-test-data/k; hostname", config_map(rig, k="v\n")
        rig.pod("p", "sh", "-c", script, volumes=[volume], container=mounted("/kdl-test-data"))
        assert await rig.phase("p") == "Succeeded", await rig.log("p")
        assert (await rig.log("p")).split() == [str(os.getuid()), "v", "p"]


UNPRIVILEGED = """
import sys
from kdl_local.node.isolation import detect
print(detect(sys.argv[1]).value)
"""


def test_what_a_user_without_privileges_is_granted(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Runs as nobody, with an interpreter that nobody may read."""
    interpreter, setpriv = Path("/usr/bin/python3.11"), shutil.which("setpriv")
    if os.geteuid() != 0 or setpriv is None or not interpreter.exists() or sys.version_info[:2] != (3, 11):
        pytest.skip("needs root, setpriv and a Python 3.11 of the system")
    nobody = [setpriv, "--reuid=65534", "--regid=65534", "--clear-groups"]
    place = Path("/tmp") / f"kdl-test-{os.getpid()}"
    place.mkdir(mode=0o777)
    place.chmod(0o777)
    packages = [str(Path(module).parent.parent) for module in (kdl_local.__file__, pytest.__file__) if module]
    try:
        done = subprocess.run(
            [*nobody, str(interpreter), "-B", "-c", UNPRIVILEGED, str(place)],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": ":".join(packages), "PYTHONDONTWRITEBYTECODE": "1"},
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        place.rmdir()
    if "Permission" in done.stderr or "No module" in done.stderr:
        pytest.skip("nobody may not read the packages here")
    assert done.stdout.strip() in ("user", "none"), done.stderr
