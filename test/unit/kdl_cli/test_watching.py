"""``kdl get --watch`` against an API server in this process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import click
import pytest

from kdl_cli.commands import get
from kdl_cli.errors import CliError
from kdl_cli.options import Connection
from kdl_cli.output import Format
from kdl_cli.query import Query
from kdl_runtime.codec import json
from kdl_runtime.resources.registry import PODS
from kdl_runtime.types import ObjectKey

PATIENCE = 10.0


class Screen:
    """What the command has printed so far."""

    def __init__(self, capsys: pytest.CaptureFixture[str], task: "asyncio.Future[None]") -> None:
        self.text = ""
        self._capsys = capsys
        self._task = task

    @property
    def lines(self) -> list[list[str]]:
        return [line.split() for line in self.text.splitlines()]

    async def until(self, count: int) -> list[list[str]]:
        """Waits for so many lines, of which the words are given."""
        async with asyncio.timeout(PATIENCE):
            while True:
                self.text += click.unstyle(self._capsys.readouterr().out)
                if self._task.done():
                    self._task.result()
                if len(self.lines) >= count:
                    return self.lines
                await asyncio.sleep(0.01)


@asynccontextmanager
async def watching(
    capsys: pytest.CaptureFixture[str], *arguments: str, output: Format = Format.TABLE, everywhere: bool = False
) -> AsyncIterator[Screen]:
    capsys.readouterr()
    query = Query(arguments, everywhere, "", output, watch=True)
    task = asyncio.ensure_future(get._get(query, Connection()))
    try:
        yield Screen(capsys, task)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_jobs_of_both_groups_and_their_changes(cluster: Any, capsys: pytest.CaptureFixture[str]) -> None:
    await cluster.create(cluster.xgboost, cluster.job("digits"))
    async with watching(capsys) as screen:
        assert [line[:3] for line in await screen.until(2)] == [
            ["NAME", "KIND", "STATE"],
            ["digits", "XGBoostJob", "Pending"],
        ]
        await cluster.create(cluster.kubeflow, cluster.kubeflow_job("other"))
        assert (await screen.until(3))[2][:3] == ["other", "XGBoostJob", "Pending"]
        status = {"conditions": [cluster.held("Running", 1)], "replicaStatuses": {}}
        await cluster.set_status(cluster.xgboost, "digits", status)
        assert (await screen.until(4))[3][:3] == ["digits", "XGBoostJob", "Running"]
        await cluster.session.client.delete(cluster.kubeflow, ObjectKey("default", "other"))
        assert (await screen.until(5))[4][0] == "other"


async def test_nothing_yet(cluster: Any, capsys: pytest.CaptureFixture[str]) -> None:
    async with watching(capsys, "pods", everywhere=True) as screen:
        await cluster.watched("pods")
        await cluster.create(PODS, cluster.pod("worker", 0))
        lines = await screen.until(2)
    assert [line[:2] for line in lines[:2]] == [["NAMESPACE", "NAME"], ["default", "digits-worker-0"]]


async def test_one_object_by_name(cluster: Any, capsys: pytest.CaptureFixture[str]) -> None:
    await cluster.create(cluster.xgboost, cluster.job("digits"))
    async with watching(capsys, "xgboostjob/digits", output=Format.NAME) as screen:
        await screen.until(1)
        await cluster.create(cluster.xgboost, cluster.job("letters"))
        await cluster.set_status(
            cluster.xgboost, "digits", {"replicaStatuses": {}, "startTime": "2026-01-31T12:00:00Z"}
        )
        lines = await screen.until(2)
    assert lines == [["xgboostjob.training.kubedl.io/digits"]] * 2


async def test_whole_objects(cluster: Any, capsys: pytest.CaptureFixture[str]) -> None:
    await cluster.create(PODS, cluster.pod("worker", 0))
    async with watching(capsys, "pods", output=Format.JSON) as screen:
        await screen.until(3)
        assert json.decode(screen.text)["metadata"]["name"] == "digits-worker-0"
    async with watching(capsys, "pods", output=Format.YAML) as screen:
        assert (await screen.until(1))[0] == ["---"]


async def test_things_that_do_not_fit_into_one_table(cluster: Any) -> None:
    await cluster.create(cluster.xgboost, cluster.job("digits"))
    await cluster.create(PODS, cluster.pod("worker", 0))
    query = Query(("xgboostjob/digits", "pods/digits-worker-0"), False, "", Format.TABLE, watch=True)
    with pytest.raises(CliError, match="these objects have different columns"):
        await get._get(query, Connection())
