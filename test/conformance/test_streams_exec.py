"""kubectl exec, cp, attach and run against pods that run."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from conformance.kubectl import Kubectl
from conformance.streams import pod, running, sleeper, start, terminal

pytestmark = pytest.mark.node


@pytest.fixture
def sleeping(kubectl: Kubectl) -> Kubectl:
    """With a pod ``sleeper`` that runs."""
    start(kubectl, sleeper(env=[{"name": "COLOUR", "value": "red"}], workingDir="/tmp"))
    return kubectl


def test_output_errors_and_exit_code(sleeping: Kubectl) -> None:
    answer = sleeping.try_("exec", "sleeper", "--", "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (answer.code, answer.out) == (3, "out\n")
    assert answer.err == "err\ncommand terminated with exit code 3\n"


@pytest.mark.parametrize(
    ("script", "code"), [("exit 0", 0), ("exit 255", 255), ("kill -KILL $$", 137), ("kill -TERM $$", 143)]
)
def test_exit_codes(sleeping: Kubectl, script: str, code: int) -> None:
    assert sleeping.try_("exec", "sleeper", "--", "sh", "-c", script).code == code


def test_arguments_environment_directory_and_names(sleeping: Kubectl) -> None:
    script = 'printf "%s|" "$@"; echo; echo $COLOUR; pwd; cat /etc/hosts'
    lines = sleeping("exec", "sleeper", "--", "sh", "-c", script, "sh", "a b", "", "$COLOUR", "&;\"'").lines
    assert lines[:3] == ["a b||$COLOUR|&;\"'|", "red", "/tmp"]
    address = sleeping("get", "pod", "sleeper", "-o", "jsonpath={.status.podIP}").out
    assert any(line.split()[:1] == [address] and "sleeper" in line.split() for line in lines[3:])


def test_input(sleeping: Kubectl) -> None:
    assert sleeping("exec", "-i", "sleeper", "--", "cat", stdin="some\ninput").out == "some\ninput"
    assert sleeping("exec", "-i", "sleeper", "--", "wc", "-c", stdin="x" * 3_000_000).out.strip() == "3000000"


def test_without_i_there_is_no_input(sleeping: Kubectl) -> None:
    assert sleeping("exec", "sleeper", "--", "cat", stdin="ignored").out == ""


def test_much_output(sleeping: Kubectl) -> None:
    code = "import sys; sys.stdout.write('0123456789abcde\\n' * 1_000_000)"
    out = sleeping("exec", "sleeper", "--", "python3", "-c", code).out
    assert (len(out), out[-16:]) == (16_000_000, "0123456789abcde\n")


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("no-such-program", 'exec: "no-such-program": executable file not found in $PATH'),
        ("/no/such/program", 'exec: "/no/such/program": stat /no/such/program: no such file or directory'),
        ("/etc/passwd", 'exec: "/etc/passwd": permission denied'),
    ],
)
def test_commands_that_cannot_be_started(sleeping: Kubectl, command: str, problem: str) -> None:
    answer = sleeping.try_("exec", "sleeper", "--", command)
    assert answer.code != 0
    assert problem in answer.err


def test_pods_and_containers_that_are_not_there(sleeping: Kubectl) -> None:
    missing = sleeping.try_("exec", "nobody", "--", "true")
    assert (missing.code, missing.err) == (1, 'Error from server (NotFound): pods "nobody" not found\n')
    answer = sleeping.try_("exec", "sleeper", "-c", "other", "--", "true")
    assert answer.code == 1
    assert "container other is not valid for pod sleeper" in answer.err


def test_a_pod_of_two_containers(kubectl: Kubectl) -> None:
    manifest = sleeper("two", env=[{"name": "WHICH", "value": "main"}])
    second = {**manifest["spec"]["containers"][0], "name": "second", "env": [{"name": "WHICH", "value": "second"}]}
    manifest["spec"]["containers"].append(second)
    start(kubectl, manifest)
    script = ("--", "sh", "-c", "echo $WHICH")
    answer = kubectl("exec", "two", *script)
    assert (answer.out, answer.err) == ("main\n", 'Defaulted container "main" out of: main, second\n')
    assert kubectl("exec", "two", "-c", "second", *script).out == "second\n"
    kubectl("annotate", "pod", "two", "kubectl.kubernetes.io/default-container=second")
    assert kubectl("exec", "two", *script).out == "second\n"


def test_an_init_container_and_one_that_waits_for_it(kubectl: Kubectl) -> None:
    manifest = sleeper("starting")
    init = {**manifest["spec"]["containers"][0], "name": "init"}
    manifest["spec"]["initContainers"] = [init]
    kubectl("create", "-f", "-", stdin=manifest)
    running_init = "--for=jsonpath={.status.initContainerStatuses[0].state.running.startedAt}"
    kubectl("wait", "pod/starting", running_init, "--timeout=60s")
    assert kubectl("exec", "starting", "-c", "init", "--", "echo", "hello").out == "hello\n"
    answer = kubectl.try_("exec", "starting", "-c", "main", "--", "true")
    assert answer.code == 1
    assert 'container not found ("main")' in answer.err


def test_a_pod_that_has_ended(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=pod("ended", "true"))
    kubectl("wait", "pod/ended", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s")
    answer = kubectl.try_("exec", "ended", "--", "true")
    assert answer.code == 1
    assert "cannot exec into a container in a completed pod; current phase is Succeeded" in answer.err


def test_a_command_ends_with_its_container(kubectl: Kubectl) -> None:
    start(kubectl, pod("short", "sh", "-c", "while [ ! -e stop ]; do sleep 0.1; done"))
    script = "touch stop; exec sleep 1000"
    assert kubectl.try_("exec", "short", "--", "sh", "-c", script).code == 137
    kubectl("wait", "pod/short", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s")


def test_an_interactive_shell(sleeping: Kubectl) -> None:
    with terminal(sleeping.argv("exec", "-it", "sleeper", "--", "sh")) as screen:
        # kubectl tells the size beside the start, so the shell may be there first.
        screen.type("while [ \"$(stty size)\" != '33 101' ]; do sleep 0.1; done; echo sized-$((1+1))\n")
        screen.until("sized-2")
        screen.type("echo term=$TERM; test -t 1 && echo a-$((40+2))-terminal\n")
        assert screen.until(r"term=(\S+)\r\n").groups() == ("xterm",)
        screen.until("a-42-terminal")
        screen.resize(24, 80)
        screen.type("while [ \"$(stty size)\" != '24 80' ]; do sleep 0.1; done; echo resized-$((1+1))\n")
        screen.until("resized-2")
        screen.type("sh -c 'echo asleep-$((1+1)); exec sleep 1000'\n")
        screen.until("asleep-2")
        screen.type("\x03")
        # The terminal drops what was typed before the interrupt has come through.
        screen.until(r"[#$] ")
        screen.type("echo code=$?\n")
        screen.until("code=130")
        screen.type("exit 7\n")
        assert screen.wait() == 7


def test_copying_there_and_back(sleeping: Kubectl, tmp_path: Path) -> None:
    if sleeping.try_("exec", "sleeper", "--", "sh", "-c", "command -v tar").code:
        pytest.skip("the image has no tar, which kubectl cp needs")
    place = f"/tmp/kdl-copy-{sleeping.namespace}"
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "data").write_bytes(os.urandom(2_000_000))
    (source / "deep" / "text").write_text("hello\n", encoding="utf-8")
    sleeping("cp", str(source), f"sleeper:{place}")
    found = sleeping("exec", "sleeper", "--", "sh", "-c", f"sha256sum < {place}/data; cat {place}/deep/text").lines
    digest = hashlib.sha256((source / "data").read_bytes()).hexdigest()
    assert (found[0].split()[0], found[1]) == (digest, "hello")
    sleeping("cp", f"sleeper:{place}/data", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == (source / "data").read_bytes()
    sleeping("exec", "sleeper", "--", "rm", "-r", place)


def test_attaching_to_a_pod(kubectl: Kubectl) -> None:
    script = "while read line; do echo got $line; done; echo end"
    start(kubectl, pod("reader", "sh", "-c", script, stdin=True, stdinOnce=True))
    assert kubectl("attach", "-i", "reader", stdin="one\ntwo\n").out == "got one\ngot two\nend\n"
    kubectl("wait", "pod/reader", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s")
    assert kubectl("logs", "reader").lines == ["got one", "got two", "end"]
    answer = kubectl.try_("attach", "reader")
    assert "cannot attach a container in a completed pod; current phase is Succeeded" in answer.err


def test_watching_a_pod_by_attaching(kubectl: Kubectl) -> None:
    start(kubectl, pod("ticker", "sh", "-c", "while true; do echo tick; sleep 0.1; done"))
    with running(kubectl.start("attach", "ticker")) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
    assert "tick\n" in lines


def test_running_a_shell_in_a_pod_of_its_own(kubectl: Kubectl) -> None:
    options = ("-it", "--rm", "--restart=Never", "--image=kdl/python:1", "--image-pull-policy=IfNotPresent")
    with terminal(kubectl.argv("run", "shell", *options, "--command", "--", "sh")) as screen:
        screen.until("try pressing enter")
        screen.type("echo name=$HOSTNAME sum=$((20+3))\n")
        screen.until("name=shell sum=23")
        screen.type("exit 5\n")
        assert screen.wait() == 5
    kubectl("wait", "pod/shell", "--for=delete", "--timeout=60s")


def test_running_a_command_with_input(kubectl: Kubectl) -> None:
    options = ("-i", "--restart=Never", "--image=kdl/python:1", "--image-pull-policy=IfNotPresent", "--quiet")
    command = ("sh", "-c", "read line; sleep 0.5; echo got $line")
    with subprocess.Popen(
        kubectl.argv("run", "once", *options, "--command", "--", *command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        out, _ = process.communicate("hello\n", timeout=60)
    assert (process.returncode, out) == (0, "got hello\n")
    assert kubectl("logs", "once").out == "got hello\n"
