"""The commands against an API server in this process; its objects are what an operator and a node would have made."""

import asyncio
from typing import Any

import click
import pytest
import yaml

from kdl_cli.commands import delete, describe, get, logs, submit, wait
from kdl_cli.errors import CliError, WaitTimeoutError
from kdl_cli.goals import Goal, GoalKind
from kdl_cli.manifests import Manifest
from kdl_cli.options import Connection
from kdl_cli.output import Format
from kdl_cli.query import Query
from kdl_runtime.codec import json
from kdl_runtime.errors import NotFound
from kdl_runtime.resources.registry import PODS
from kdl_runtime.types import ObjectKey

HERE = Connection()


def query(*arguments: str, output: Format = Format.TABLE, everywhere: bool = False, selector: str = "") -> Query:
    return Query(arguments, everywhere, selector, output)


async def output_of(capsys: pytest.CaptureFixture[str], command: Any) -> list[str]:
    capsys.readouterr()
    await command
    return click.unstyle(capsys.readouterr().out).splitlines()


async def test_get_lists_jobs_of_both_groups(cluster: Any, capsys: pytest.CaptureFixture[str]) -> None:
    await cluster.create(cluster.xgboost, cluster.job("digits"))
    await cluster.create(cluster.kubeflow, cluster.kubeflow_job("other"))
    lines = await output_of(capsys, get._get(query(), HERE))
    assert [line.split()[:3] for line in lines] == [
        ["NAME", "KIND", "STATE"],
        ["other", "XGBoostJob", "Pending"],
        ["digits", "XGBoostJob", "Pending"],
    ]
    lines = await output_of(capsys, get._get(query("xgboostjob", output=Format.NAME), HERE))
    assert lines == ["xgboostjob.kubeflow.org/other", "xgboostjob.training.kubedl.io/digits"]
    lines = await output_of(capsys, get._get(query("xgboostjob.kubeflow.org", everywhere=True), HERE))
    assert [line.split()[:2] for line in lines] == [["NAMESPACE", "NAME"], ["default", "other"]]


@pytest.mark.parametrize("form", [Format.JSON, Format.YAML])
async def test_get_prints_whole_objects(cluster: Any, capsys: pytest.CaptureFixture[str], form: Format) -> None:
    load = json.decode if form is Format.JSON else yaml.safe_load
    await cluster.create(cluster.xgboost, cluster.job())
    one = "\n".join(await output_of(capsys, get._get(query("xgboostjob/digits", output=form), HERE)))
    assert load(one)["kind"] == "XGBoostJob"
    many = "\n".join(await output_of(capsys, get._get(query("XGBoostJob", output=form), HERE)))
    assert [item["metadata"]["name"] for item in load(many)["items"]] == ["digits"]


async def test_get_of_nothing_says_so(cluster: Any, capsys: pytest.CaptureFixture[str]) -> None:
    await get._get(query(), Connection(namespace="elsewhere"))
    assert capsys.readouterr().err == "nothing found in namespace elsewhere\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nonsense",), "serves no kind 'nonsense'"),
        (("xgboostjob", "nowhere"), "there is no xgboostjob 'nowhere' in namespace default"),
    ],
)
async def test_what_is_not_there_is_named(cluster: Any, arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(CliError, match=message):
        await get._get(query(*arguments), HERE)


async def test_a_name_in_two_groups_must_be_told_apart(cluster: Any) -> None:
    await cluster.create(cluster.xgboost, cluster.job())
    await cluster.create(cluster.kubeflow, cluster.kubeflow_job())
    with pytest.raises(CliError, match=r"xgboostjob.kubeflow.org/digits or xgboostjob.training.kubedl.io/digits"):
        await describe._describe(("digits",), HERE)


async def test_describe_tells_the_story(cluster: Any, capsys: pytest.CaptureFixture[str]) -> None:
    failure = {"pod": "digits-worker-1", "role": "Worker", "index": 1, "time": "2026-01-31T12:00:05Z", "exitCode": 137}
    status = {
        "conditions": [cluster.held("Created", 0), cluster.held("Restarting", 5)],
        "replicaStatuses": {"Worker": {"active": 1, "restarts": 1}},
        "firstFailure": failure,
    }
    made = await cluster.create(cluster.xgboost, cluster.job(status=status))
    await cluster.create(PODS, cluster.pod("worker", 0))
    lines = [line.strip() for line in await output_of(capsys, describe._describe(("digits",), HERE))]
    assert "State:       Restarting" in lines
    assert made["metadata"]["name"] in lines[0]
    assert "Worker   2        1        0           0        1" in lines
    assert any(line.startswith("What:") and "digits-worker-1: exit code 137" in line for line in lines)
    assert any(line.split()[:2] == ["digits-worker-0", "Running"] for line in lines)
    assert lines[lines.index("Events:") + 1] == "none"


async def test_logs_of_the_master_or_of_all(cluster: Any, capsys: pytest.CaptureFixture[str]) -> None:
    await cluster.create(cluster.xgboost, cluster.job())
    for role, index in (("master", 0), ("worker", 0)):
        await cluster.create(PODS, running(cluster.pod(role, index)))
        cluster.logs.lines[f"digits-{role}-{index}"] = [f"hello from {role}"]
    assert await output_of(capsys, logs._logs(log_query(), HERE)) == ["hello from master"]
    assert await output_of(capsys, logs._logs(log_query(everything=True), HERE)) == [
        "[master-0] hello from master",
        "[worker-0] hello from worker",
    ]
    assert await output_of(capsys, logs._logs(log_query(role="WORKER", index=0), HERE)) == ["hello from worker"]
    with pytest.raises(CliError, match=r"has no pod that fits.*Worker \(0 to 1\); use -f"):
        await logs._logs(log_query(role="worker", index=1), HERE)


async def test_logs_of_the_run_before(cluster: Any, capsys: pytest.CaptureFixture[str]) -> None:
    await cluster.create(cluster.xgboost, cluster.job())
    for index in (0, 1):
        pod = running(cluster.pod("worker", index))
        pod["status"]["containerStatuses"][0]["restartCount"] = index
        await cluster.create(PODS, pod)
        cluster.logs.lines[f"digits-worker-{index}"] = ["now"]
        cluster.logs.previous[f"digits-worker-{index}"] = ["before"]
    query = log_query(everything=True, previous=True)
    assert await output_of(capsys, logs._logs(query, HERE)) == ["[worker-1] before"]
    with pytest.raises(CliError, match=r"no container of .*digits that fits was started again"):
        await logs._logs(log_query(role="worker", index=0, previous=True), HERE)


async def test_logs_are_followed_to_the_end_of_the_job(cluster: Any, capsys: pytest.CaptureFixture[str]) -> None:
    await cluster.create(cluster.xgboost, cluster.job())
    cluster.logs.lines = {"digits-master-0": ["first"], "digits-worker-0": ["second"]}
    capsys.readouterr()
    following = asyncio.ensure_future(logs._logs(log_query(everything=True, follow=True), HERE))
    await cluster.create(PODS, running(cluster.pod("master", 0)))
    await cluster.logs.asked.wait()
    await cluster.create(PODS, running(cluster.pod("worker", 0)))
    await cluster.set_status(
        cluster.xgboost, "digits", {"conditions": [cluster.held("Succeeded", 9)], "replicaStatuses": {}}
    )
    cluster.logs.end.set()
    async with asyncio.timeout(10):
        await following
    assert sorted(click.unstyle(capsys.readouterr().out).split("\n"))[1:] == ["[master-0] first", "[worker-0] second"]


@pytest.mark.parametrize(
    ("ending", "goal", "error"),
    [
        ("Succeeded", GoalKind.SUCCEEDED, None),
        ("Failed", GoalKind.FINISHED, None),
        ("Failed", GoalKind.SUCCEEDED, "will not be succeeded: the job has failed: the job is failed"),
    ],
)
async def test_wait_ends_with_the_job(cluster: Any, ending: str, goal: GoalKind, error: str | None) -> None:
    await cluster.create(cluster.xgboost, cluster.job())
    waiting = asyncio.ensure_future(wait._wait(("digits",), Goal(goal), 10.0, HERE))
    await cluster.set_status(
        cluster.xgboost, "digits", {"conditions": [cluster.held("Running", 1)], "replicaStatuses": {}}
    )
    await cluster.set_status(
        cluster.xgboost, "digits", {"conditions": [cluster.held(ending, 9)], "replicaStatuses": {}}
    )
    if error is None:
        await waiting
    else:
        with pytest.raises(CliError, match=error):
            await waiting


async def test_wait_gives_up_in_time(cluster: Any) -> None:
    await cluster.create(cluster.xgboost, cluster.job())
    with pytest.raises(WaitTimeoutError, match=r"is not succeeded after 0s \(it is Pending\): raise --timeout"):
        await wait._wait(("digits",), Goal(GoalKind.SUCCEEDED), 0.05, HERE)


async def test_wait_notices_a_deletion(cluster: Any) -> None:
    await cluster.create(cluster.xgboost, cluster.job())
    waiting = asyncio.ensure_future(wait._wait(("digits",), Goal(GoalKind.SUCCEEDED), 10.0, HERE))
    await cluster.watched("xgboostjobs")
    await cluster.session.client.delete(cluster.xgboost, ObjectKey("default", "digits"))
    with pytest.raises(CliError, match="the job was deleted"):
        await waiting


async def test_a_cut_connection_is_taken_up_again(cluster: Any) -> None:
    await cluster.create(cluster.xgboost, cluster.job())
    waiting = asyncio.ensure_future(wait._wait(("digits",), Goal(GoalKind.SUCCEEDED), 10.0, HERE))
    await cluster.watched("xgboostjobs")
    cluster.transport.sever()
    cluster.transport.heal()
    await cluster.set_status(
        cluster.xgboost, "digits", {"conditions": [cluster.held("Succeeded", 9)], "replicaStatuses": {}}
    )
    await waiting


async def test_delete_waits_until_it_is_gone(cluster: Any, capsys: pytest.CaptureFixture[str]) -> None:
    await cluster.create(cluster.xgboost, cluster.job())
    lines = await output_of(capsys, delete._delete(deletion("digits"), HERE))
    assert lines == ["xgboostjob.training.kubedl.io/digits deleted"]
    with pytest.raises(NotFound):
        await cluster.session.client.get(cluster.xgboost, ObjectKey("default", "digits"))


async def test_delete_names_the_finalizer_that_holds(cluster: Any) -> None:
    obj = cluster.job()
    obj["metadata"]["finalizers"] = ["example.com/hold"]
    await cluster.create(cluster.xgboost, obj)
    with pytest.raises(WaitTimeoutError, match=r"held by the finalizers example.com/hold"):
        await delete._delete(deletion("xgboostjob", "digits", timeout=0.05), HERE)


async def test_submit_creates_and_waits(cluster: Any, capsys: pytest.CaptureFixture[str]) -> None:
    obj = {**cluster.job(), "metadata": {"name": "digits"}}
    dry = submit.Submission((), wait=False, logs=False, timeout=None, dry_run=True)
    lines = await output_of(capsys, submit._submit(dry, HERE, [Manifest("job.yaml", obj)]))
    assert lines == ["xgboostjob.training.kubedl.io/digits created (dry run)"]
    real = submit.Submission((), wait=True, logs=False, timeout=10, dry_run=False)
    submitted = asyncio.ensure_future(submit._submit(real, HERE, [Manifest("job.yaml", obj)]))
    await cluster.watched("xgboostjobs")
    await cluster.set_status(
        cluster.xgboost, "digits", {"conditions": [cluster.held("Succeeded", 9)], "replicaStatuses": {}}
    )
    await submitted


def running(pod: dict[str, Any]) -> dict[str, Any]:
    state = {"name": "xgboostjob", "state": {"running": {"startedAt": "2026-01-31T12:00:02Z"}}, "restartCount": 0}
    return {**pod, "status": {**pod["status"], "containerStatuses": [state]}}


def log_query(**changes: Any) -> logs.LogsQuery:
    defaults: dict[str, Any] = {
        "job": ("digits",),
        "role": None,
        "index": None,
        "everything": False,
        "follow": False,
        "container": "",
        "tail": None,
        "since": None,
        "timestamps": False,
    }
    return logs.LogsQuery(**{**defaults, **changes})


def deletion(*arguments: str, timeout: float = 10.0) -> delete.Deletion:
    return delete.Deletion(arguments, (), wait=True, timeout=timeout, cascade="background")
