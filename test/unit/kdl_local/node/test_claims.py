"""Volume claims on the process node: directories that outlive pods, and go with their claims."""

from pathlib import Path
from typing import Any

from kdl_local.resources import EVENTS, PERSISTENT_VOLUME_CLAIMS, PODS
from unit.kdl_local.node.rig import NodeRig

VOLUME = {"name": "data", "persistentVolumeClaim": {"claimName": "kept"}}


def claim(rig: NodeRig, **spec: Any) -> str:
    """Makes the claim, and gives its UID."""
    whole = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, **spec}
    made = rig.direct.create(
        PERSISTENT_VOLUME_CLAIMS, {"metadata": {"name": "kept", "namespace": "default"}, "spec": whole}
    )
    return str(made["metadata"]["uid"])


def delete_claim(rig: NodeRig) -> None:
    rig.direct.delete(PERSISTENT_VOLUME_CLAIMS, "default", "kept")


def pod(rig: NodeRig, name: str, script: str, mounted: Path) -> None:
    mounts = [{"name": "data", "mountPath": str(mounted)}]
    rig.pod(name, "sh", "-c", script, volumes=[VOLUME], container={"volumeMounts": mounts})


def said(rig: NodeRig, text: str) -> bool:
    return any(text in (event.get("message") or event.get("note") or "") for event in rig.direct.list(EVENTS))


async def test_a_claim_is_bound_at_once(rig: NodeRig) -> None:
    claim(rig)

    def status() -> Any:
        return rig.direct.get(PERSISTENT_VOLUME_CLAIMS, "default", "kept")["status"]

    await rig.until(lambda: status()["phase"] == "Bound")
    assert (status()["accessModes"], status()["capacity"]) == (["ReadWriteOnce"], {"storage": "1Gi"})


async def test_what_a_pod_writes_is_there_for_the_next(isolated: NodeRig, tmp_path: Path) -> None:
    claim(isolated)
    mounted = tmp_path / "mounted"
    pod(isolated, "first", f"echo written > {mounted}/file", mounted)
    await isolated.phase("first")
    pod(isolated, "second", f"cat {mounted}/file", mounted)
    await isolated.phase("second")
    assert await isolated.log("second") == "written\n"


async def test_a_pod_waits_for_its_claim_and_says_so(rig: NodeRig) -> None:
    rig.pod("waits", "true", volumes=[VOLUME])
    await rig.until(lambda: said(rig, 'persistentvolumeclaim "kept" not found'))
    claim(rig)
    assert await rig.phase("waits") == "Succeeded"


async def test_a_block_device_is_refused(rig: NodeRig) -> None:
    claim(rig, volumeMode="Block")
    rig.pod("waits", "true", volumes=[VOLUME])
    await rig.until(lambda: said(rig, "this node has only directories"))


async def test_a_directory_goes_with_its_claim_once_no_pod_uses_it(rig: NodeRig, tmp_path: Path) -> None:
    directory = tmp_path / "node" / "claims" / claim(rig)
    rig.pod("user", "sleep", "60", volumes=[VOLUME])
    await rig.phase("user", "Running")
    delete_claim(rig)
    rig.pod("late", "true", volumes=[VOLUME])
    await rig.until(lambda: said(rig, 'persistentvolumeclaim "kept" not found'))
    assert directory.is_dir()
    rig.direct.delete(PODS, "default", "user", grace_period_seconds=0)
    await rig.until(lambda: not directory.exists())


async def test_a_new_claim_of_the_name_begins_empty(rig: NodeRig, tmp_path: Path) -> None:
    claims = tmp_path / "node" / "claims"
    first = claims / claim(rig)
    rig.pod("one", "true", volumes=[VOLUME])
    await rig.phase("one")
    (first / "file").write_text("old")
    delete_claim(rig)
    await rig.until(lambda: not first.exists())
    second = claims / claim(rig)
    rig.pod("two", "true", volumes=[VOLUME])
    await rig.phase("two")
    assert list(second.iterdir()) == []
