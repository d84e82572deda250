"""The demo from nothing to the result: a cluster, the CRDs, the operator, a job, and everything stopped again."""

import asyncio
import os
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from kdl_cli.demo import examples
from kdl_cli.demo.cluster import local_cluster
from kdl_cli.demo.examples import Example
from kdl_cli.demo.process import OperatorProcess, operator_process
from kdl_cli.demo.report import Report
from kdl_cli.discovery import resolve
from kdl_cli.errors import CliError
from kdl_cli.goals import Goal, GoalKind
from kdl_cli.installation import install
from kdl_cli.jobs import job_view
from kdl_cli.options import Connection
from kdl_cli.references import Found
from kdl_cli.replicalogs import LogOptions, Request, Selection, follow_logs, leading
from kdl_cli.session import Session, connect
from kdl_cli.waiting import wait_for
from kdl_runtime.client.client import DeleteOptions
from kdl_runtime.clock import SystemClock
from kdl_runtime.errors import NotFound
from kdl_runtime.resources.registry import CONFIGMAPS
from kdl_runtime.types import ObjectKey, parse_api_version
from kdl_workloads.crds import all_crds


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """``connection`` without a kubeconfig starts a local cluster. ``output`` None puts the model into the demo's own
    directory, which goes with it unless ``keep``. ``timeout`` in seconds is for the job."""

    example: Example
    folder: Path
    dialect: str
    connection: Connection
    output: Path | None
    keep: bool
    timeout: float


@dataclass(frozen=True, slots=True)
class Place:
    """Where the demo runs. ``state`` holds what it writes. ``cluster`` is the name of its own local cluster, empty for
    a cluster that was there before."""

    state: Path
    kubeconfig: Path
    output: Path
    cluster: str = ""


async def run_demo(options: DemoOptions) -> None:
    """CliError if the job does not succeed or does not show what its README promises. Whatever happens, also on Ctrl-C
    and SIGTERM, everything that was started is stopped, unless ``keep``."""
    report = Report(SystemClock())
    async with AsyncExitStack() as stack:
        stack.enter_context(_sigterm_like_ctrl_c())
        state = stack.enter_context(_state_directory(keep=options.keep))
        place = stack.enter_context(_place(options, state, report))
        connection = Connection(str(place.kubeconfig), options.connection.context, options.connection.namespace)
        session = await stack.enter_async_context(connect(connection))
        installed = await install(session, all_crds())
        changes = Counter(item.change for item in installed)
        report.step("CRDs", ", ".join(f"{count} {change}" for change, count in changes.items()))
        operator = await stack.enter_async_context(
            operator_process(place.kubeconfig, state / "operator.log", keep=options.keep)
        )
        report.step("operator", f"pid {operator.pid}, log {operator.log}")
        job = await stack.enter_async_context(_job(session, options, place, report))
        await _watch(session, options, job, operator, report)
        _conclude(options, place, job, report)
        if options.keep:
            click.echo(_how_to_go_on(place, operator))
            return
        report.step("stopping", "the operator and all that the demo made")
    report.step("done", "nothing is left running")


@contextmanager
def _sigterm_like_ctrl_c() -> Iterator[None]:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


@contextmanager
def _state_directory(*, keep: bool) -> Iterator[Path]:
    state = Path(tempfile.mkdtemp(prefix="kdl-demo-"))
    try:
        yield state
    finally:
        if not keep:
            shutil.rmtree(state)


@contextmanager
def _place(options: DemoOptions, state: Path, report: Report) -> Iterator[Place]:
    output = (options.output or state / "output").resolve()
    if options.connection.kubeconfig:
        kubeconfig = Path(options.connection.kubeconfig)
        report.step("cluster", f"the one of {kubeconfig}")
        yield Place(state, kubeconfig, output)
        return
    with local_cluster(f"demo-{os.getpid()}", keep=options.keep) as cluster:
        output.mkdir(parents=True, exist_ok=True)
        report.step("local cluster", f"{cluster.url} (pid {cluster.pid}), kubeconfig {cluster.kubeconfig}")
        if cluster.warning:
            report.step("warning", cluster.warning)
        yield Place(state, Path(cluster.kubeconfig), output, cluster.name)


@asynccontextmanager
async def _job(session: Session, options: DemoOptions, place: Place, report: Report) -> AsyncIterator[Found]:
    """The example's job and the ConfigMap with its program. On a cluster that is not the demo's own both are deleted at
    the end; a local one is stopped as a whole."""
    manifest = examples.job_manifest(options.folder, options.dialect, session.namespace)
    if place.cluster:
        manifest = examples.with_output(manifest, place.output)
    config = examples.config_map(options.example, options.folder, session.namespace)
    group, version = parse_api_version(manifest["apiVersion"])
    [resource] = await resolve(session, f"{manifest['kind']}.{version}.{group}")
    await session.client.create(CONFIGMAPS, config)
    report.step("ConfigMap", f"{options.example.config_map} with {options.folder / options.example.program}")
    made = [(CONFIGMAPS, ObjectKey(session.namespace, options.example.config_map))]
    try:
        job = Found(resource, await session.client.create(resource, manifest))
        made.append((resource, job.key))
        report.step("job", f"{job} submitted")
        yield job
    finally:
        if not (place.cluster or options.keep):
            for kind, key in reversed(made):
                await _delete(session, Found(kind, {"metadata": {"namespace": key.namespace, "name": key.name}}))


async def _delete(session: Session, item: Found) -> None:
    try:
        await session.client.delete(item.resource, item.key, DeleteOptions(propagation="Background"))
    except NotFound:
        return


async def _watch(session: Session, options: DemoOptions, job: Found, operator: OperatorProcess, report: Report) -> None:
    """Until the job has succeeded and all its lines are told. CliError as soon as it fails, or the operator ends."""
    report.expect(job_view(job.resource, job.object))
    request = Request(job, Selection(), LogOptions(follow=True), report.line)

    async def operator_lives() -> None:
        raise await operator.failure()

    async def to_the_end() -> None:
        logs = asyncio.ensure_future(follow_logs(session, request))
        try:
            await wait_for(session, job, Goal(GoalKind.SUCCEEDED), options.timeout, report.conditions)
        finally:
            # The lines of a failed job are what tells why: let them come out, but not for ever.
            await asyncio.wait({logs}, timeout=10)
            logs.cancel()
            await asyncio.gather(logs, return_exceptions=True)

    tasks = [asyncio.ensure_future(to_the_end()), asyncio.ensure_future(operator_lives())]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _conclude(options: DemoOptions, place: Place, job: Found, report: Report) -> None:
    leader = leading(job_view(job.resource, job.object))
    master = f"{(leader.role or '').lower()}-{leader.index}"
    found = examples.score(options.example, report.last_lines.get(master, ""))
    kept = options.keep or options.output is not None
    pairs = [("job", f"{job} succeeded")]
    if found.value is not None:
        pairs.append(("accuracy", f"{found.value} of the saved model on the test set"))
    if place.cluster:
        for path in sorted(place.output.iterdir()):
            pairs.append((path.name, f"{path}{'' if kept else ' (goes with the demo; --output DIR keeps it)'}"))
    report.end(pairs)
    if found.problem:
        raise CliError(found.problem)


def _how_to_go_on(place: Place, operator: OperatorProcess) -> str:
    stop = f"kill {operator.pid}"
    if place.cluster:
        stop += f"; kdl local down --name {place.cluster}; rm -r {place.state}"
    return f"\nStill running. Look around:  export KUBECONFIG={place.kubeconfig}\nStop it all:  {stop}"
