"""A place of its own for everything that a command starts and writes, and the proof that nothing of it is left."""

import os
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

MARK = "KDL_TEST_RUN"
COMMAND_SECONDS = 110
LEFTOVER_SECONDS = 10


@dataclass(frozen=True)
class Sandbox:
    """Commands run with a home and a directory for temporary files of their own, and with a mark in the environment
    that their children inherit."""

    root: Path
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def temporary(self) -> Path:
        return self.root / "tmp"

    @property
    def environment(self) -> dict[str, str]:
        """KUBECONFIG is not handed on: a test must not find the cluster of whoever runs it."""
        own = {"HOME": self.root / "home", "TMPDIR": self.temporary, "XDG_STATE_HOME": self.root / "home" / "state"}
        rest = {key: value for key, value in os.environ.items() if key not in ("KUBECONFIG", "XDG_RUNTIME_DIR")}
        return {**rest, **{key: str(value) for key, value in own.items()}, MARK: self.mark}

    def start(self, *args: str) -> subprocess.Popen[str]:
        """``kdl`` with these arguments; the caller waits for it. It leads a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "kdl_cli", *args],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.environment,
            start_new_session=True,
        )

    def run(self, *args: str, code: int = 0) -> str:
        """The output of a ``kdl`` command that must end with this exit code."""
        process = self.start(*args)
        output, _ = process.communicate(timeout=COMMAND_SECONDS)
        assert process.returncode == code, f"kdl {' '.join(args)} ended with {process.returncode}:\n{output}"
        return output

    def processes(self) -> list[str]:
        """What runs of all that was started here: by the inherited mark, or by a path of the sandbox."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    command = (entry / "cmdline").read_bytes()
                    environment = (entry / "environ").read_bytes()
                except OSError:
                    continue
                if self.mark.encode() in environment or str(self.root).encode() in command:
                    found.append(f"{entry.name}: {command.replace(bytes(1), b' ').decode(errors='replace')}")
        return found

    def leftovers(self) -> list[str]:
        """Processes, mounts and files that are still there. A killed child may take a moment to vanish."""
        deadline = time.monotonic() + LEFTOVER_SECONDS
        while time.monotonic() < deadline and self.processes():
            time.sleep(0.1)
        mounts = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(self.root) in line]
        files = [str(path) for path in self.root.rglob("*") if not path.is_dir() and "pycache" not in str(path)]
        directories = [str(path) for path in self.temporary.iterdir()]
        return [*self.processes(), *mounts, *files, *directories]
