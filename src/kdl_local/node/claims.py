"""PersistentVolumeClaims on the process node: each has a directory of its own, at once and for as long as it exists.

There are no PersistentVolumes and no storage classes: a claim is bound to its directory, whatever it asks for. A claim
that is deleted while pods use it keeps its directory until these have ended, as claims elsewhere are held by the
finalizer ``kubernetes.io/pvc-protection``.
"""

import shutil
from collections import defaultdict
from collections.abc import Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

from kdl_local.apiserver.direct import Direct
from kdl_local.follow import follow, uid_of
from kdl_local.node.volumes import VolumeError
from kdl_local.resources import PERSISTENT_VOLUME_CLAIMS
from kdl_runtime.errors import Conflict, NotFound

Object = Mapping[str, Any]

BOUND = "Bound"


class Claims:
    """``directory`` holds one directory per claim, named by its UID."""

    def __init__(self, direct: Direct, directory: Path) -> None:
        self._direct = direct
        self._directory = directory
        self._users: dict[str, set[str]] = defaultdict(set)
        """By UID of a claim the UIDs of the pods that use it."""
        self._gone: set[str] = set()
        """UIDs of claims that are deleted and still used."""

    async def run(self) -> None:
        """Binds claims, and removes what deleted ones held, until it is cancelled."""
        async with aclosing(follow(self._direct, PERSISTENT_VOLUME_CLAIMS)) as changes:
            async for change in changes:
                if change.new is not None:
                    self._bind(change.new)
                else:
                    self._gone.add(uid_of(change.latest))
                    self._remove_unused()

    def use(self, pod: Object, volume: Object) -> Path:
        """The directory of the claim that is a volume of the pod, which keeps it until ``release``. VolumeError while
        there is none."""
        namespace, name = pod["metadata"]["namespace"], volume["persistentVolumeClaim"]["claimName"]
        claim = self._direct.find(PERSISTENT_VOLUME_CLAIMS, namespace, name)
        if claim is None:
            raise VolumeError(f'persistentvolumeclaim "{name}" not found')
        if "deletionTimestamp" in claim["metadata"]:
            raise VolumeError(f'persistentvolumeclaim "{name}" is being deleted')
        if claim["spec"].get("volumeMode") == "Block":
            raise VolumeError(f'persistentvolumeclaim "{name}" is of volumeMode Block: this node has only directories')
        directory = self._path(uid_of(claim))
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o777)
        self._users[uid_of(claim)].add(uid_of(pod))
        return directory

    def release(self, pod_uid: str) -> None:
        """The pod has ended, and uses no claim any more."""
        for users in self._users.values():
            users.discard(pod_uid)
        self._remove_unused()

    def _bind(self, claim: Object) -> None:
        spec, metadata = claim["spec"], claim["metadata"]
        if (claim.get("status") or {}).get("phase") == BOUND:
            return
        capacity = {"storage": ((spec.get("resources") or {}).get("requests") or {}).get("storage", "0")}
        status = {"phase": BOUND, "accessModes": spec.get("accessModes") or [], "capacity": capacity}
        try:
            self._direct.patch(
                PERSISTENT_VOLUME_CLAIMS,
                metadata["namespace"],
                metadata["name"],
                {"metadata": {"uid": metadata["uid"]}, "status": status},
                subresource="status",
            )
        except (NotFound, Conflict):
            return

    def _remove_unused(self) -> None:
        for uid in [uid for uid in self._gone if not self._users.get(uid)]:
            self._gone.discard(uid)
            self._users.pop(uid, None)
            shutil.rmtree(self._path(uid), ignore_errors=True)

    def _path(self, uid: str) -> Path:
        return self._directory / uid
