import os
from pathlib import Path

import pytest

from kdl_cli.demo.process import operator_process


async def test_an_operator_that_ends_by_itself_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    async with operator_process(tmp_path / "nowhere", tmp_path / "operator.log") as operator:
        error = await operator.failure()
    assert f"(pid {operator.pid}) ended by itself with code 1: error: there is no kubeconfig file at" in str(error)


async def test_an_operator_is_stopped_with_the_block(tmp_path: Path) -> None:
    # The port of a server that never answers: the operator waits for it.
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
        "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]\n"
        "contexts: [{name: c, context: {cluster: c}}]\n"
    )
    async with operator_process(kubeconfig, tmp_path / "operator.log") as operator:
        os.kill(operator.pid, 0)
    assert operator.ended.done()
    with pytest.raises(ProcessLookupError):
        os.kill(operator.pid, 0)
