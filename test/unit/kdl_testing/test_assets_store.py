"""The cache of binaries: only what is whole counts, and one process at a time changes it."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from kdl_testing.envtest.catalog import Binary, Module, Platform, Release
from kdl_testing.envtest.locks import locked
from kdl_testing.envtest.store import BinaryStore, record_path

MODULE = Module("tools", "1.2.3", "example.com/tools", ())
TOOL = Binary("tool", MODULE, "example.com/tools/tool", Release("", ""))


@pytest.fixture
def store(tmp_path: Path) -> BinaryStore:
    return BinaryStore(tmp_path / "binaries", Platform("linux", "amd64"))


@pytest.fixture
def stored(store: BinaryStore) -> Path:
    with store.order(MODULE, [TOOL], print) as order:
        (order.staging / "tool").write_text("whole")
        return store.add(TOOL, order.staging / "tool", "test")


def _flaw(store: BinaryStore) -> str:
    found, missing = store.find([TOOL])
    assert set(found) ^ set(missing) == {"tool"}
    return missing.get("tool", "")


def test_a_binary_is_found_after_it_was_added(store: BinaryStore, stored: Path) -> None:
    assert store.find([TOOL]) == ({"tool": stored}, {})
    assert stored == store.root / "tools-1.2.3-linux-amd64" / "tool"
    assert stored.stat().st_mode & 0o111


def test_another_version_or_platform_is_another_binary(store: BinaryStore, stored: Path) -> None:
    newer = Binary("tool", Module("tools", "1.2.4", "example.com/tools", ()), "", Release("", ""))

    assert store.find([newer])[0] == {}
    assert BinaryStore(store.root, Platform("linux", "arm64")).find([TOOL])[0] == {}


def test_nothing_is_there_at_first(store: BinaryStore) -> None:
    assert _flaw(store) == "not there"


def _shorten(path: Path) -> None:
    path.write_text("who")


def _change(path: Path) -> None:
    path.write_text("WHOLE")
    os.utime(path, ns=(1, 1))


def _forget(path: Path) -> None:
    record_path(path).unlink()


def _half(path: Path) -> None:
    record_path(path).write_text('{"sha256": "')


def _withhold(path: Path) -> None:
    path.chmod(0o644)


@pytest.mark.parametrize(
    ("damage", "flaw"),
    [
        (_shorten, "has 3 bytes instead of 5"),
        (_change, "has another checksum than it had"),
        (_forget, "has no record of its checksum, so it may be half written"),
        (_half, "has no record of its checksum, so it may be half written"),
        (_withhold, "is not executable"),
        (Path.unlink, "not there"),
    ],
)
def test_what_is_not_whole_does_not_count(
    store: BinaryStore, stored: Path, damage: Callable[[Path], None], flaw: str
) -> None:
    damage(stored)

    assert _flaw(store) == flaw


def test_a_touched_binary_is_read_once_and_stays(store: BinaryStore, stored: Path) -> None:
    os.utime(stored, ns=(5, 5))

    assert _flaw(store) == ""
    assert b'"mtime_ns":5' in record_path(stored).read_bytes()


def test_what_an_order_leaves_behind_is_removed(store: BinaryStore) -> None:
    with pytest.raises(KeyboardInterrupt), store.order(MODULE, [TOOL], print) as order:
        staging = order.staging
        (staging / "tool").write_text("half")
        raise KeyboardInterrupt

    assert not staging.exists()
    assert _flaw(store) == "not there"


def test_what_a_killed_process_has_left_is_removed_by_the_next(store: BinaryStore) -> None:
    left = store.directory(MODULE) / "staging-of-the-dead"
    left.mkdir(parents=True)
    (left / "tool").write_text("half")
    parts = store.directory(MODULE) / "parts"
    parts.mkdir()

    with store.order(MODULE, [TOOL], print):
        assert not left.exists()

    assert parts.exists()


def test_a_second_process_waits_and_says_for_whom(store: BinaryStore) -> None:
    lines: list[str] = []
    waiting, done = threading.Event(), threading.Event()

    def report(line: str) -> None:
        lines.append(line)
        waiting.set()

    def second() -> None:
        with store.order(MODULE, [TOOL], report):
            done.set()

    with store.order(MODULE, [TOOL], lines.append):
        thread = threading.Thread(target=second)
        thread.start()
        assert waiting.wait(20)
        assert not done.is_set()
    assert done.wait(20)
    thread.join()
    lock = store.directory(MODULE) / "lock"
    assert lines == [f"tools 1.2.3: process {os.getpid()} is getting it; waiting for that ({lock})"]


def test_a_killed_process_holds_no_lock(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from kdl_testing.envtest.locks import locked\n"
        "with locked(Path(sys.argv[1]), print):\n    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    lock = tmp_path / "lock"
    argv = [sys.executable, "-c", code, str(lock)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        holder.kill()
        holder.wait()

        with locked(lock, lambda pid: pytest.fail(f"waits for {pid}")):
            assert lock.read_text() == str(os.getpid())
