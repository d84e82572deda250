"""The tutorial's operator as it runs in a cluster: on a real API server, with the rights that its page gives it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kdl_runtime.errors import NotFound
from kdl_runtime.resources.registry import LEASES, PODS
from kdl_runtime.types import ObjectKey
from kdl_testing.envtest import ControlPlane, ServiceAccount
from unit.docs.markdown import RUNTIME_DOCS, Page

HELLO = ObjectKey("default", "hello")
LEASE = ObjectKey("preview", "preview")
DEADLINE = 60.0


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """The files of the pages."""
    for page in ("tutorial.md", "deploying.md"):
        for block in Page.read(RUNTIME_DOCS / page).blocks:
            if block.word("file"):
                (tmp_path / block.word("file")).write_text(block.text)
    return tmp_path


@contextmanager
def operator(directory: Path, kubeconfig: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "main.py", "--metrics-bind-address=0", "--health-probe-bind-address=0"]
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}
    with (directory / "log").open("ab") as log:
        process = subprocess.Popen(command, cwd=directory, env=environment, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def until(check: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + DEADLINE
    while not check():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


def test_it_works_with_the_rights_that_the_page_gives_it(plane: ControlPlane, directory: Path) -> None:
    def kubectl(*arguments: str) -> None:
        command = [str(Path(sys.executable).with_name("kubectl")), "--kubeconfig", str(plane.kubeconfig), *arguments]
        subprocess.run(command, cwd=directory, check=True, capture_output=True, timeout=DEADLINE)

    def pod_runs() -> bool:
        try:
            plane.call(lambda client: client.get(PODS, HELLO))
        except NotFound:
            return False
        return True

    def holder() -> str:
        try:
            return str(plane.call(lambda client: client.get(LEASES, LEASE))["spec"].get("holderIdentity", ""))
        except NotFound:
            return ""

    plane.install_crds([directory / "crd.yaml"])
    kubectl("apply", "-f", "rights.yaml")
    kubeconfig = plane.service_account(ServiceAccount("preview", "preview"))
    log = directory / "log"
    with operator(directory, kubeconfig) as process:
        kubectl("apply", "-f", "sample.yaml")
        until(pod_runs, log)
        kubectl("wait", "preview/hello", "--for=jsonpath={.status.phase}=Running", "--timeout=30s")
        assert holder()
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0, log.read_text()
    assert holder() == ""
    assert "forbidden" not in log.read_text()
    for needless in ("warning", "error"):
        assert f'"level": "{needless}"' not in log.read_text()
