"""One pod on a process node, from its volumes to its end."""

import asyncio
import logging
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kdl_local.node import pod_status, volumes
from kdl_local.node.container import Container
from kdl_local.node.container_runner import ContainerRunner
from kdl_local.node.context import HOST_ADDRESS, NodeContext
from kdl_local.node.lifecycle import next_step
from kdl_local.node.names import hosts_file, hosts_view
from kdl_local.node.pod_files import PodFiles
from kdl_local.node.volumes import VolumeError
from kdl_local.pods import is_deleting, is_finished, is_older, patch_status
from kdl_local.resources import PODS
from kdl_runtime.codec.times import format_time
from kdl_runtime.errors import ApiError

log = logging.getLogger(__name__)

Object = Mapping[str, Any]

_DEADLINE = {
    "phase": "Failed",
    "reason": "DeadlineExceeded",
    "message": "Pod was active on the node longer than the specified deadline",
}


class PodWorker:
    """``run`` plays the pod until it has ended; ``update`` tells of a newer object, None once there is none."""

    def __init__(self, node: NodeContext, pod: Object) -> None:
        self.pod = pod
        self.uid: str = pod["metadata"]["uid"]
        self.files = PodFiles(node.directory / self.uid)
        self.address = ""
        self._node = node
        self._wake = asyncio.Event()
        self.gone = False
        self._stop_deadline: float | None = None
        self._past_deadline = False
        self._started = 0.0
        self._volumes: dict[str, Any] = {}
        self._runners = {item.name: self._runner(item) for item in self._containers()}

    # ---- told from outside

    def update(self, pod: Object | None) -> None:
        if pod is None:
            self.gone = True
            self._shorten_stop(0.0)
        else:
            if not is_older(pod, self.pod):
                self.pod = pod
            if is_deleting(self.pod):
                self._shorten_stop(float(self.pod["metadata"].get("deletionGracePeriodSeconds") or 0))
        self._wake.set()

    def refresh_hosts(self) -> None:
        """Writes the hosts file anew if it would be another one, for the running containers to see."""
        if not self.address:
            return
        view = hosts_view(self.pod, self.address)
        services = self._node.names.lines(view.namespace)
        self.files.write_hosts(hosts_file(view, services, self._node.host_lines))

    def runner(self, name: str) -> ContainerRunner | None:
        return self._runners.get(name)

    def container(self, name: str) -> Container | None:
        runner = self._runners.get(name)
        return runner.container if runner else None

    def remove_files(self) -> None:
        shutil.rmtree(self.files.directory, ignore_errors=True)

    # ---- the pod's life

    async def run(self) -> None:
        """Returns when nothing of the pod runs any more. Cancelled, it kills what runs first."""
        try:
            if not is_finished(self.pod):
                await self._live()
            self._confirm_deletion()
        finally:
            await asyncio.gather(*(runner.kill() for runner in self._runners.values()))
            if self.address and not self.pod["spec"].get("hostNetwork"):
                self._node.addresses.release(self.address)

    async def _live(self) -> None:
        self.files.make()
        self._started = self._node.clock.monotonic()
        host_network = bool(self.pod["spec"].get("hostNetwork"))
        self.address = HOST_ADDRESS if host_network else self._node.addresses.take()
        self.refresh_hosts()
        if await self._set_up_volumes():
            await self._play()
        await self._stop_all()
        self._report(over=True)

    async def _set_up_volumes(self) -> bool:
        """True when all volumes are there; False if the pod is to stop before they are."""
        while not self._must_stop():
            try:
                for volume in self.pod["spec"].get("volumes") or ():
                    self._volumes[volume["name"]] = self._set_up(volume)
            except VolumeError as error:
                self._node.recorder.event(self.pod, "Warning", "FailedMount", str(error))
                for runner in self._runners.values():
                    runner.container.wait("ContainerCreating", "", 0.0)
                self._report()
                await self._wait(self._node.timings.retry)
                continue
            return True
        return False

    def _set_up(self, volume: Object) -> Path:
        if "persistentVolumeClaim" in volume:
            return self._node.claims.use(self.pod, volume)
        return volumes.set_up(volume, self._node.sources(self.pod, self.address), self.files.volume(volume["name"]))

    async def _play(self) -> None:
        spec = self.pod["spec"]
        while not self._must_stop():
            now = self._node.clock.monotonic()
            progress = {name: runner.container.progress() for name, runner in self._runners.items()}
            step = next_step(spec, progress, now)
            if step.over:
                return
            for name in step.start:
                await self._runners[name].start(self.pod, self.address, self._volumes)
            self._report()
            if not step.start:
                await self._wait(None if step.look_again is None else step.look_again - now)

    async def _stop_all(self) -> None:
        """Containers first, together; then what runs beside them, the last one started first."""
        if self._stop_deadline is None:
            self._shorten_stop(float(self.pod["spec"].get("terminationGracePeriodSeconds") or 0))
        main = [runner for runner in self._runners.values() if not runner.container.sidecar]
        await asyncio.gather(*(runner.stop(self.pod, self._time_left) for runner in main))
        for runner in reversed(self._runners.values()):
            await runner.stop(self.pod, self._time_left)

    def _time_left(self) -> float:
        """Seconds of grace; may become less while a container stops."""
        deadline = self._stop_deadline
        return 0.0 if deadline is None else max(deadline - self._node.clock.monotonic(), 0.0)

    def _shorten_stop(self, grace: float) -> None:
        deadline = self._node.clock.monotonic() + grace
        self._stop_deadline = deadline if self._stop_deadline is None else min(self._stop_deadline, deadline)
        for runner in self._runners.values():
            runner.deadline_changed.set()

    def _must_stop(self) -> bool:
        if self.gone or is_deleting(self.pod):
            return True
        left = self._active_seconds_left()
        if left is not None and left <= 0:
            self._past_deadline = True
        return self._past_deadline

    def _active_seconds_left(self) -> float | None:
        limit = self.pod["spec"].get("activeDeadlineSeconds")
        if limit is None:
            return None
        return float(limit) - (self._node.clock.monotonic() - self._started)

    async def _wait(self, seconds: float | None) -> None:
        """Until something happens, so many seconds pass, or the pod's deadline comes."""
        bounds = [item for item in (seconds, self._active_seconds_left()) if item is not None]
        try:
            async with asyncio.timeout(max(min(bounds), 0.0) if bounds else None):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    # ---- status

    def _report(self, *, over: bool = False) -> None:
        """Writes the status if it is another one than before."""
        pod, now = self.pod, format_time(self._node.clock.now())
        before = pod.get("status") or {}
        status: dict[str, Any] = {
            "hostIP": HOST_ADDRESS,
            "hostIPs": [{"ip": HOST_ADDRESS}],
            "podIP": self.address,
            "podIPs": [{"ip": self.address}],
            "startTime": before.get("startTime") or now,
            "conditions": before.get("conditions") or [],
        }
        init = self._statuses(is_init=True, over=over)
        main = self._statuses(is_init=False, over=over)
        if init:
            status["initContainerStatuses"] = init
        status["containerStatuses"] = main
        status["phase"] = pod_status.phase(pod["spec"], init, main, terminal=over)
        if status["phase"] in ("Succeeded", "Failed") and any(
            item.container.running for item in self._runners.values()
        ):
            # A pod has not ended while a sidecar runs.
            status["phase"] = before.get("phase") or "Pending"
        if over and self._past_deadline:
            status |= _DEADLINE
        status["conditions"] = pod_status.conditions(pod["spec"], status, now)
        if any(before.get(name) != value for name, value in status.items()):
            self.pod = patch_status(self._node.direct, pod, status) or pod

    def _statuses(self, *, is_init: bool, over: bool) -> list[dict[str, Any]]:
        runners = self._runners.values()
        return [item.container.status(over=over) for item in runners if item.container.is_init == is_init]

    def _confirm_deletion(self) -> None:
        """Tells the API server that nothing of a deleted pod runs any more, so that it may forget the pod."""
        if self.gone or not is_deleting(self.pod):
            return
        metadata = self.pod["metadata"]
        try:
            self._node.direct.delete(
                PODS, metadata["namespace"], metadata["name"], grace_period_seconds=0, uid=self.uid
            )
        except ApiError as error:
            log.debug("pod %s/%s: %s", metadata["namespace"], metadata["name"], error)

    # ---- containers

    def _containers(self) -> Sequence[Container]:
        spec = self.pod["spec"]
        init = [(item, True) for item in spec.get("initContainers") or ()]
        main = [(item, False) for item in spec.get("containers") or ()]
        return [
            Container(item, is_init, self.uid, self.files.container(item["name"])) for item, is_init in [*init, *main]
        ]

    def _runner(self, container: Container) -> ContainerRunner:
        return ContainerRunner(self._node, container, self.files, self._wake.set)
