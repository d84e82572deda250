"""The steps of a run: named, timed, and told as they begin and end."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from kdl_runtime.errors import KdlError

OK, FAILED, SKIPPED = "ok", "FAILED", "not run"


class StepError(KdlError):
    """A step could not do what it is for; the message says why, and the way out."""


class NothingRanError(StepError):
    """Every test of a step was skipped, or left out by the command line."""


@dataclass(frozen=True)
class Step:
    """``result`` is OK, FAILED or SKIPPED; ``detail`` is a line about it."""

    name: str
    seconds: float
    result: str
    detail: str = ""


class Journal:
    """``wanted`` names the only test steps to run; none means all."""

    def __init__(self, wanted: frozenset[str], say: Callable[[str], None]) -> None:
        self.steps: list[Step] = []
        self.say = say
        self._wanted = wanted
        self._begin = time.monotonic()

    @property
    def failed(self) -> bool:
        return any(step.result == FAILED for step in self.steps)

    def wants(self, name: str) -> bool:
        """Every step, unless some are named."""
        return name in self._wanted or not self._wanted

    @contextmanager
    def step(self, name: str) -> Iterator[list[str]]:
        """What the block puts into the list is the step's detail. Its error is recorded and goes on."""
        self.say(f"=== {name}")
        begin = time.monotonic()
        detail: list[str] = []
        try:
            yield detail
        except NothingRanError as error:
            self._end(Step(name, time.monotonic() - begin, SKIPPED, str(error)))
            raise
        except BaseException as error:
            reason = "interrupted" if isinstance(error, KeyboardInterrupt) else str(error).partition("\n")[0]
            self._end(Step(name, time.monotonic() - begin, FAILED, reason))
            raise
        self._end(Step(name, time.monotonic() - begin, OK, ", ".join(detail)))

    def skip(self, name: str, why: str) -> None:
        self.say(f"=== {name}: {SKIPPED}, {why}")
        self.steps.append(Step(name, 0, SKIPPED, why))

    def table(self) -> list[str]:
        width = max((len(step.name) for step in self.steps), default=4)
        lines = [f"{'step'.ljust(width)}  seconds  result"]
        for step in self.steps:
            end = f"{step.result}  {step.detail}".rstrip()
            lines.append(f"{step.name.ljust(width)}  {step.seconds:7.1f}  {end}")
        return [*lines, f"{'in all'.ljust(width)}  {time.monotonic() - self._begin:7.1f}"]

    def _end(self, step: Step) -> None:
        self.say(
            f"=== {step.name}: {step.result} after {step.seconds:.1f} s{f', {step.detail}' if step.detail else ''}"
        )
        self.steps.append(step)
