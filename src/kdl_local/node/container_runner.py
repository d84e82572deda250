"""Starts, probes and stops one container of a pod."""

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from kdl_local.apiserver.streams.provider import CommandOptions, StreamError
from kdl_local.guard import kill_marked
from kdl_local.node import command as commands
from kdl_local.node import probes, volumes
from kdl_local.node.attached import Attached
from kdl_local.node.command import Command
from kdl_local.node.container import Container, End
from kdl_local.node.container_log import LogFile, last_output
from kdl_local.node.context import NodeContext
from kdl_local.node.environment import ConfigError, command, environment
from kdl_local.node.launch import START_ERROR_EXIT, Isolation, LaunchSpec, Mount
from kdl_local.node.lifecycle import restart_delay
from kdl_local.node.pod_files import PodFiles
from kdl_local.node.process import Process, StartError, entry_spec, run_inside, start
from kdl_runtime.clock import Clock

log = logging.getLogger(__name__)

Object = Mapping[str, Any]

LONGEST_MESSAGE = 4096
COMMAND_MARK = "KDL_LOCAL_COMMAND"
"""The variable that commands of clients have, and all that they start. It tells runs of containers apart."""


class ContainerRunner:
    """``changed`` is called whenever the container's state may have. ``deadline_changed`` is set by the pod when a stop
    under way has to be quicker."""

    def __init__(self, node: NodeContext, container: Container, files: PodFiles, changed: Callable[[], None]) -> None:
        self.container = container
        self.deadline_changed = asyncio.Event()
        self._node = node
        self._files = files
        self._changed = changed
        self._spec: LaunchSpec | None = None
        self._pod: Object = {}
        self._address = ""
        self._commands: set[Command] = set()
        self._commanded = False
        self._tasks: set[asyncio.Task[None]] = set()

    # ---- start

    async def start(self, pod: Object, address: str, mounted: Mapping[str, Path]) -> None:
        """Starts the next run. What goes wrong becomes the container's state, never an exception."""
        self._pod, self._address = pod, address
        container, clock = self.container, self._node.clock
        try:
            spec = self._launch_spec(pod, address, mounted)
        except ConfigError as error:
            self._node.recorder.event(pod, "Warning", "Failed", f"Error: {error}")
            retry_at = clock.monotonic() + self._node.timings.retry
            container.wait("CreateContainerConfigError", str(error), retry_at)
            return
        started_at = clock.now()
        container.log = LogFile(container.log_path(container.run), clock)
        try:
            process = await start(spec, container.log)
        except StartError as error:
            self._node.recorder.event(pod, "Warning", "Failed", f"Error: {error}")
            self._finish(
                End(START_ERROR_EXIT, "StartError", started_at, clock.now(), container.container_id, str(error))
            )
            return
        self._spec = spec
        container.running_now(process, started_at)
        self._node.recorder.event(pod, "Normal", "Started", f"Started container {container.name}")
        process.on_exit = self._exited
        if process.exit_code is not None:
            self._exited()
            return
        await self._post_start()
        self._start_probes()

    def _launch_spec(self, pod: Object, address: str, mounted: Mapping[str, Path]) -> LaunchSpec:
        """ConfigError if something that the container refers to is missing."""
        container, node = self.container, self._node
        spec = container.spec
        hostname = pod["spec"].get("hostname") or pod["metadata"]["name"][:63]
        base = {**node.images.environment(spec.get("image") or ""), "HOSTNAME": hostname, **node.server_env}
        terminal = bool(spec.get("tty"))
        if terminal:
            base["TERM"] = "xterm"
        variables = environment(spec, node.sources(pod, address), base)
        argv = command(spec, variables)
        found = volumes.mounts(spec, mounted, variables)
        if found and node.isolation is Isolation.NONE:
            raise ConfigError(
                "this system allows no mount namespaces, neither to root nor to this user, so volumes cannot be "
                "mounted; allow unprivileged user namespaces or run the local cluster as root"
            )
        container.begin_run()
        if node.isolation is not Isolation.NONE:
            found.append(Mount(str(self._files.hosts), "/etc/hosts"))
            found.append(Mount(str(container.message_path()), self._message_target()))
        return LaunchSpec(
            argv=argv,
            env={**variables, **node.marks, "KDL_LOCAL_POD": container.pod_uid},
            work_dir=spec.get("workingDir") or str(self._files.work),
            isolation=node.isolation,
            parent=node.pid,
            hostname="" if pod["spec"].get("hostNetwork") else hostname,
            scratch=str(self._files.scratch),
            mounts=found,
            stdin=bool(spec.get("stdin")),
            terminal=terminal,
        )

    def _message_target(self) -> str:
        return self.container.spec.get("terminationMessagePath") or "/dev/termination-log"

    # ---- clients

    async def exec(self, options: CommandOptions) -> Command:
        """Runs a command for a client. StreamError if it cannot be run; it ends with the container at the latest."""
        process, spec = self.container.process, self._spec
        if process is None or spec is None:
            raise StreamError(f'unable to upgrade connection: container not found ("{self.container.name}")')
        entry = entry_spec(process, spec, options.command, terminal=options.tty)
        entry.env[COMMAND_MARK] = self._mark()
        self._commanded = True
        found = await commands.run(entry, options)
        self._commands.add(found)
        found.on_exit = lambda: self._commands.discard(found)
        if process.exited.is_set():
            found.kill()
        return found

    def _mark(self) -> str:
        """Unique on this machine, which the container's ID is only in its cluster."""
        return str(self.container.log_path(self.container.run))

    def _end_commands(self) -> None:
        """Those of clients, and what earlier ones have left running."""
        for command_ in self._commands:
            command_.kill()
        if self._commanded:
            self._commanded = False
            kill_marked(self._mark(), COMMAND_MARK)

    def attach(self, options: CommandOptions) -> Attached:
        """Lets a client see and feed the container's first process. StreamError if there is none."""
        process = self.container.process
        if process is None:
            raise StreamError(f"unable to upgrade connection: container {self.container.name} not found")
        return Attached(process, options, once=bool(self.container.spec.get("stdinOnce")))

    # ---- the end of a run

    def _exited(self) -> None:
        container = self.container
        process, started_at = container.process, container.started_at
        if process is None or process.exit_code is None or started_at is None:
            return
        end = End(
            exit_code=process.exit_code,
            reason="Completed" if process.exit_code == 0 else "Error",
            started_at=started_at,
            finished_at=self._node.clock.now(),
            container_id=container.container_id,
            message=self._termination_message(process.exit_code),
            signal=process.signal,
        )
        self._finish(end)

    def _finish(self, end: End) -> None:
        container, policy = self.container, self._node.timings.crash_loop
        for task in self._tasks:
            task.cancel()
        self._end_commands()
        ran = (end.finished_at - end.started_at).total_seconds()
        container.failures = 1 if ran >= policy.reset_after else container.failures + 1
        container.ended(end)
        delay = restart_delay(policy, container.failures)
        container.retry_at = self._node.clock.monotonic() + delay
        if delay and self._restarts(end):
            metadata = self._pod["metadata"]
            text = f"restarting failed container={container.name} pod={metadata['name']}_{metadata['namespace']}"
            container.wait("CrashLoopBackOff", f"back-off {delay:g}s {text}({metadata['uid']})", container.retry_at)
            self._node.recorder.event(self._pod, "Warning", "BackOff", f"Back-off {text}({metadata['uid']})")
        self._changed()

    def _restarts(self, end: End) -> bool:
        policy = self._pod["spec"].get("restartPolicy") or "Always"
        if self.container.sidecar:
            return True
        if self.container.is_init:
            return policy != "Never" and end.exit_code != 0
        return policy == "Always" or (policy == "OnFailure" and end.exit_code != 0)

    def _termination_message(self, exit_code: int) -> str:
        container = self.container
        path = container.message_path()
        with path.open("rb") as file:
            text = file.read(LONGEST_MESSAGE).decode(errors="replace")
        if text or exit_code == 0 or container.spec.get("terminationMessagePolicy") != "FallbackToLogsOnError":
            return text
        return last_output(container.log_path(container.run))

    # ---- stop

    async def stop(self, pod: Object, time_left: Callable[[], float]) -> None:
        """Ends the container: the preStop hook, SIGTERM to its process group, and SIGKILL when no time is left."""
        container, process = self.container, self.container.process
        if process is None:
            return
        self._node.recorder.event(pod, "Normal", "Killing", f"Stopping container {container.name}")
        hook = (container.spec.get("lifecycle") or {}).get("preStop")
        if hook and time_left() > 0:
            problem = await self._run_hook(hook, time_left())
            if problem:
                self._node.recorder.event(pod, "Warning", "FailedPreStopHook", f"PreStopHook failed: {problem}")
        process.signal_group(signal.SIGTERM)
        while not process.exited.is_set() and (left := time_left()) > 0:
            self.deadline_changed.clear()
            await _first(process.exited.wait(), self.deadline_changed.wait(), timeout=left)
        await self.kill()

    async def kill(self) -> None:
        """Ends the container at once."""
        process = self.container.process
        if process is not None:
            process.kill()
            await process.exited.wait()
        await asyncio.gather(*(command_.killed() for command_ in self._commands))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    # ---- hooks and probes

    async def _post_start(self) -> None:
        hook = (self.container.spec.get("lifecycle") or {}).get("postStart")
        process = self.container.process
        if not hook or process is None:
            return
        problems: list[str] = []

        async def run() -> None:
            problems.append(await self._run_hook(hook, None))

        # Neither the end of the container nor that of the pod waits for a hook.
        await _first(run(), process.exited.wait(), self.deadline_changed.wait(), timeout=None)
        if problems and problems[0]:
            message = f"PostStartHook failed: {problems[0]}"
            self._node.recorder.event(self._pod, "Warning", "FailedPostStartHook", message)
            process.kill()

    async def _run_hook(self, hook: Object, timeout: float | None) -> str:
        """What went wrong, an empty text if nothing did."""
        try:
            async with asyncio.timeout(timeout):
                if "sleep" in hook:
                    await self._node.clock.sleep(float(hook["sleep"].get("seconds") or 0))
                    return ""
                return await self._act(hook)
        except TimeoutError:
            return "no end within the grace period"

    async def _act(self, action: Object) -> str:
        """Performs an exec, httpGet or tcpSocket action; returns what went wrong."""
        try:
            if "exec" in action:
                return await self._exec(list(action["exec"].get("command") or ()))
            if "httpGet" in action:
                http = action["httpGet"]
                port = probes.port_of(http, self.container.spec)
                return await probes.http_check(http, http.get("host") or self._address, port)
            if "tcpSocket" in action:
                tcp = action["tcpSocket"]
                return await probes.tcp_check(
                    tcp.get("host") or self._address, probes.port_of(tcp, self.container.spec)
                )
        except ValueError as error:
            return str(error)
        return f"{', '.join(action)}: only exec, httpGet and tcpSocket are supported on this node"

    async def _exec(self, argv: list[str]) -> str:
        process, spec = self.container.process, self._spec
        if process is None or spec is None:
            return "the container does not run"
        code, output = await run_inside(process, spec, argv)
        return "" if code == 0 else f"command {argv} exited with {code}: {output}"

    def _start_probes(self) -> None:
        spec, container = self.container.spec, self.container
        if "startupProbe" in spec:
            self._watch(spec["startupProbe"], self._startup_decided)
            return
        container.started = True
        self._start_running_probes()

    def _start_running_probes(self) -> None:
        spec, container = self.container.spec, self.container
        container.ready = "readinessProbe" not in spec
        if "readinessProbe" in spec:
            self._watch(spec["readinessProbe"], self._readiness_decided)
        if "livenessProbe" in spec:
            self._watch(spec["livenessProbe"], partial(self._alive_decided, "Liveness"))
        self._changed()

    def _watch(self, probe: Object, decided: Callable[[bool, str], None]) -> None:
        clock: Clock = self._node.clock
        self._spawn(probes.watch(probes.timing_of(probe), lambda: self._act(probe), clock, decided))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _startup_decided(self, success: bool, problem: str) -> None:
        if not success:
            self._alive_decided("Startup", False, problem)
        elif not self.container.started:
            self.container.started = True
            self._start_running_probes()

    def _readiness_decided(self, success: bool, problem: str) -> None:
        if not success:
            self._node.recorder.event(self._pod, "Warning", "Unhealthy", f"Readiness probe failed: {problem}")
        self.container.ready = success
        self._changed()

    def _alive_decided(self, kind: str, success: bool, problem: str) -> None:
        process: Process | None = self.container.process
        if success or process is None:
            return
        self._node.recorder.event(self._pod, "Warning", "Unhealthy", f"{kind} probe failed: {problem}")
        name = self.container.name
        self._node.recorder.event(
            self._pod, "Normal", "Killing", f"Container {name} failed {kind.lower()} probe, will be restarted"
        )
        self._spawn(self._restart(process))

    async def _restart(self, process: Process) -> None:
        grace = float(self._pod["spec"].get("terminationGracePeriodSeconds") or 0)
        process.signal_group(signal.SIGTERM)
        await _first(process.exited.wait(), timeout=grace)
        process.kill()


async def _first(*work: Coroutine[Any, Any, Any], timeout: float | None) -> None:
    """Returns when one of them is done or the time is over; the others are cancelled."""
    tasks = [asyncio.ensure_future(item) for item in work]
    try:
        await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
