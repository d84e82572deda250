"""Does what a page of documentation says, block after block, in a directory of its own.

| the fence says | what is done with the block |
|---|---|
| ``python`` | executed; the blocks of a page share their names |
| ``python file=NAME``, ``yaml file=NAME`` | written to the page's directory, from which Python blocks import |
| ``console`` | the lines behind ``$`` are run by bash; the others are what they print, ``...`` is anything |
| ``python elsewhere`` | code for another framework, or of a part of a program: it must be Python, and is not run |
| ``console elsewhere`` | needs what tests do not have, such as a real cluster |
| ``yaml``, ``go``, ``mermaid``, ``text`` | nothing |
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from unit.docs.markdown import Block, Page

NOT_RUN = ("go", "mermaid", "text")
CONSOLE_SECONDS = 60


class BlockError(AssertionError):
    """A block does not do what the page says. The message names page and line."""


@dataclass
class Execution:
    """``names`` are those of the Python blocks; ``done`` counts the blocks that were executed, run or written."""

    page: Page
    directory: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    names: dict[str, Any] = field(default_factory=lambda: {"__name__": "documentation"})
    done: int = 0

    def run(self) -> "Execution":
        sys.path.insert(0, str(self.directory))
        modules = set(sys.modules)
        try:
            for block in self.page.blocks:
                self._run(block)
        finally:
            sys.path.remove(str(self.directory))
            for name in set(sys.modules) - modules:
                # The next page may have a file of the same name.
                if str(self.directory) in str(getattr(sys.modules[name], "__file__", "")):
                    del sys.modules[name]
        return self

    def _run(self, block: Block) -> None:
        where = f"{self.page.path.name}:{block.line}"
        if block.words == ("elsewhere",) and block.language in ("python", "console"):
            if block.language == "python":
                self._compile(block)
            return
        if len(block.words) > 1 or (block.words and not block.word("file")):
            raise BlockError(f"{where}: nobody knows the words {block.words}")
        if block.language == "yaml":
            list(yaml.safe_load_all(block.text))
        if block.word("file"):
            if block.language == "python":
                self._compile(block)
            (self.directory / block.word("file")).write_text(block.text)
        elif block.language == "python":
            exec(self._compile(block), self.names)
        elif block.language == "console":
            self._console(block, where)
        elif block.language in ("yaml", *NOT_RUN):
            return
        else:
            raise BlockError(f"{where}: nobody knows what to do with a block of {block.language or 'no language'}")
        self.done += 1

    def _compile(self, block: Block) -> Any:
        # With the lines of the page, so that a traceback leads there.
        return compile("\n" * block.line + block.text, str(self.page.path), "exec")

    def _console(self, block: Block, where: str) -> None:
        commands = [line.removeprefix("$ ") for line in block.text.splitlines() if line.startswith("$ ")]
        expected = [line for line in block.text.splitlines() if line and not line.startswith("$ ")]
        tools = str(Path(sys.executable).parent)
        environment = {**os.environ, **self.environment, "PATH": f"{tools}:{os.environ['PATH']}"}
        code, printed = _bash("\n".join(commands), self.directory, environment)
        if code:
            raise BlockError(f"{where}: {commands} ended with {code}:\n{printed}")
        position = 0
        for line in expected:
            match = re.compile(pattern(line), re.MULTILINE).search(printed, position)
            if match is None:
                raise BlockError(f"{where}: no line {line!r} in what the commands print:\n{printed[position:]}")
            position = match.end()


def _bash(script: str, directory: Path, environment: Mapping[str, str]) -> tuple[int, str]:
    """The exit code, and all that was printed. What is left in the background is ended."""
    with tempfile.TemporaryFile("w+") as output:
        # A file and not a pipe: what is left in the background would keep a pipe open.
        shell = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = shell.wait(CONSOLE_SECONDS)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
            shell.wait()
        output.seek(0)
        return code, output.read()


def pattern(line: str) -> str:
    """An expected line as a regular expression: ``...`` stands for anything, and spaces may be more or fewer."""
    parts = (r"\s+".join(map(re.escape, part.split(" "))) for part in line.split("..."))
    return f"^{'.*'.join(parts)}$"
