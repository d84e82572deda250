"""Components as child processes, with small programs of our own in their place."""

import random
import socket
import sys
import time
from pathlib import Path

import pytest

from kdl_testing.envtest import ports
from kdl_testing.envtest.ports import ATTEMPTS, free_port, start_on_free_port
from kdl_testing.envtest.process import Process, ProcessError, Program

SERVE = "import time; print('serving', flush=True); time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('serving', flush=True); time.sleep(600)"
)
TAKEN = "import sys; print('listen tcp 127.0.0.1:1: bind: address already in use'); sys.exit(1)"


def program(directory: Path, code: str, *, text: str = "serving", stop_timeout: float = 5.0) -> Program:
    """Ready when its log has the text."""
    log = directory / "logs" / "thing.log"
    return Program(
        name="thing",
        argv=[sys.executable, "-c", code],
        log=log,
        directory=directory,
        ready=lambda: log.exists() and text in log.read_text(),
        start_timeout=20.0,
        stop_timeout=stop_timeout,
    )


def is_running(pid: int) -> bool:
    return Path("/proc", str(pid)).exists()


def test_it_runs_from_start_to_stop(tmp_path: Path) -> None:
    process = Process(program(tmp_path, SERVE))
    assert (process.running, process.pid) == (False, None)
    process.start()
    pid = process.pid
    assert pid is not None
    assert is_running(pid)
    process.stop()
    process.stop()
    assert (process.running, process.pid, is_running(pid)) == (False, None, False)


def test_it_gets_no_other_environment_than_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDL_SECRET", "kept here")
    process = Process(program(tmp_path, f"import os; print(sorted(os.environ)); {SERVE}"))
    process.start()
    process.stop()
    assert "KDL_SECRET" not in process.program.log.read_text()


def test_one_that_exits_fails_at_once_with_the_end_of_its_log(tmp_path: Path) -> None:
    code = "import sys; [print('line', i) for i in range(50)]; print('bad flag'); sys.exit(7)"
    process = Process(program(tmp_path, code))
    started = time.monotonic()
    with pytest.raises(ProcessError) as caught:
        process.start()
    assert time.monotonic() - started < 10
    message = str(caught.value)
    assert "thing exited with code 7 instead of becoming ready" in message
    assert str(process.program.log) in message
    assert message.endswith("bad flag")
    assert "line 30" not in message
    assert not process.running


def test_one_that_does_not_become_ready_is_ended(tmp_path: Path) -> None:
    slow = program(tmp_path, SERVE, text="never")
    process = Process(Program("thing", slow.argv, slow.log, tmp_path, ready=lambda: False, start_timeout=0.3))
    with pytest.raises(ProcessError, match=r"was not ready after 0\.3 s"):
        process.start()
    assert not process.running


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    process = Process(Program("thing", [str(tmp_path / "none")], tmp_path / "log", tmp_path))
    with pytest.raises(ProcessError, match=r"cannot be started: .*No such file"):
        process.start()


def test_one_that_does_not_end_is_killed(tmp_path: Path) -> None:
    process = Process(program(tmp_path, STUBBORN, stop_timeout=0.3))
    process.start()
    process.stop()
    assert not process.running


def test_what_it_has_started_ends_with_it(tmp_path: Path) -> None:
    code = f"import subprocess, sys; c = subprocess.Popen([sys.executable, '-c', {SERVE!r}]); print(c.pid); {SERVE}"
    process = Process(program(tmp_path, code))
    process.start()
    child = int(process.program.log.read_text().split()[0])
    process.kill()
    deadline = time.monotonic() + 10
    while is_running(child) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_running(child)


def test_killed_and_restarted(tmp_path: Path) -> None:
    process = Process(program(tmp_path, SERVE))
    process.start()
    first = process.pid
    process.kill()
    assert not process.running
    process.start()
    second = process.pid
    process.restart()
    third = process.pid
    process.stop()
    assert len({first, second, third}) == 3


def test_it_runs_once(tmp_path: Path) -> None:
    process = Process(program(tmp_path, SERVE))
    process.start()
    with pytest.raises(RuntimeError, match="runs already"):
        process.start()
    process.stop()


def test_a_port_that_is_taken_is_exchanged(tmp_path: Path) -> None:
    tried: list[int] = []

    def make(port: int) -> Program:
        tried.append(port)
        return program(tmp_path, TAKEN if len(tried) < 3 else SERVE)

    process = start_on_free_port(make, "127.0.0.1", random.Random(1))
    process.stop()
    assert len(set(tried)) == 3
    assert "address already in use" not in process.program.log.read_text()


def test_another_failure_is_not_tried_again(tmp_path: Path) -> None:
    tried: list[int] = []

    def make(port: int) -> Program:
        tried.append(port)
        return program(tmp_path, "import sys; sys.exit('no such flag')")

    with pytest.raises(ProcessError, match="no such flag"):
        start_on_free_port(make, "127.0.0.1")
    assert len(tried) == 1


def test_it_gives_up_where_all_ports_are_taken(tmp_path: Path) -> None:
    tried: list[int] = []

    def make(port: int) -> Program:
        tried.append(port)
        return program(tmp_path, TAKEN)

    with pytest.raises(ProcessError, match="address already in use"):
        start_on_free_port(make, "127.0.0.1")
    assert len(tried) == ATTEMPTS


def test_free_ports_are_none_that_clients_are_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = tmp_path / "range"
    limits.write_text("20000\t60999\n")
    monkeypatch.setattr(ports, "_EPHEMERAL_RANGE", limits)
    rng = random.Random(7)
    assert all(10_000 <= free_port("127.0.0.1", rng) < 20_000 for _ in range(50))


def test_a_port_in_use_is_passed_over() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port("127.0.0.1", random.Random(3))))
        assert free_port("127.0.0.1", random.Random(3)) != taken.getsockname()[1]
