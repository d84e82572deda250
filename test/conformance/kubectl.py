"""kubectl as a client under test: the one in PATH and the one that the environment carries."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

COMMAND_TIMEOUT = 60
"""Seconds after which a kubectl command is a failure: none of them has to wait for anything slow."""


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def object(self) -> dict[str, Any]:
        decoded = json.loads(self.out)
        assert isinstance(decoded, dict)
        return decoded


@dataclass(frozen=True)
class Kubectl:
    """kubectl with a kubeconfig, a namespace and a cache of its own."""

    binary: str
    kubeconfig: Path
    namespace: str
    cache: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def argv(self, *args: str) -> list[str]:
        base = [self.binary, f"--kubeconfig={self.kubeconfig}", f"--cache-dir={self.cache}"]
        return [*base, f"--namespace={self.namespace}", *args]

    def try_(self, *args: str, stdin: str | Mapping[str, Any] | None = None) -> Answer:
        """Run and answer, whatever the exit code."""
        text = json.dumps(stdin) if isinstance(stdin, Mapping) else stdin
        done = subprocess.run(
            self.argv(*args),
            input=text,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT,
            env={**os.environ, **self.environment},
            check=False,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    def __call__(self, *args: str, stdin: str | Mapping[str, Any] | None = None) -> Answer:
        """Run a command that must succeed."""
        answer = self.try_(*args, stdin=stdin)
        assert answer.code == 0, f"kubectl {' '.join(args)} exited {answer.code}: {answer.err}{answer.out}"
        return answer

    def start(self, *args: str) -> subprocess.Popen[str]:
        """A command that goes on, such as a watch; the caller ends it."""
        return subprocess.Popen(
            self.argv(*args), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1, env=dict(os.environ)
        )


def binaries() -> list[str]:
    """kubectl from PATH first, then the environment's own where that is another one."""
    found = [shutil.which("kubectl"), str(Path(sys.executable).parent / "kubectl")]
    distinct = {str(Path(path).resolve()): path for path in found if path and Path(path).exists()}
    return list(distinct.values())
