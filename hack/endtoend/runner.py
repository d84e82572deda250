"""Runs test steps: each is a program whose end is judged."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from endtoend import outcomes, suites
from endtoend.commands import HACK, PROJECT, PYTHON
from endtoend.outcomes import Outcome
from endtoend.steps import Journal, NothingRanError, StepError
from endtoend.suites import EMPTY, SOME_FAILED, Suite

LOGS = PROJECT / "build" / "e2e"
LAST_TESTS = PROJECT / "build" / "tests.xml"
"""Of the last `make test`."""
DIRECTORY_OF_ASSETS = "KUBEBUILDER_ASSETS"

Runner = Callable[[Sequence[str | Path], Mapping[str, str]], int]
"""Runs a program with more variables, shows what it writes, and gives its exit code."""


@dataclass
class SuiteRunner:
    """``run``: how programs are run. ``expression``: pytest's ``-k`` for the tests on the cluster. ``assets``: the
    binaries that were found. ``outcomes`` are those of the tests on the cluster."""

    journal: Journal
    run: Runner
    expression: str = ""
    assets: Mapping[str, Path] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)

    def on_the_cluster(self, suite: Suite, environment: Mapping[str, str]) -> None:
        """A failed step is in the journal, and does not keep the next ones from running."""
        self.outcomes += self._test(suite, environment)

    def beside_it(self, suite: Suite) -> None:
        missing = [path for path in suite.paths if not (PROJECT / path).exists()]
        if missing:
            self.journal.skip(suite.name, f"there is no {', '.join(missing)}")
        elif suite is suites.DECISIONS:
            self._program(suite, [PYTHON, "-m", "decisions", *suites.DECIDE])
        elif suite is suites.SIMULATION:
            self._program(suite, [PYTHON, "-m", "kdl_testing.sim", *suites.SIMULATE])
        elif not self.assets:
            self.journal.skip(suite.name, "the binaries were not found")
        elif suite is suites.CONFORMANCE:
            self._program(suite, [HACK / "conformance", "--on", "real", "--local", LAST_TESTS])
        elif suite is suites.DIFFERENTIAL:
            self._program(suite, [PYTHON, "-m", "conformance.differential", *suites.FUZZ])
        else:
            self._test(suite, suite.environment)

    def _test(self, suite: Suite, environment: Mapping[str, str]) -> list[Outcome]:
        report = LOGS / f"{suite.name}.xml"
        found: list[Outcome] = []
        try:
            with self.journal.step(suite.name) as detail:
                code = self.run(suite.argv(report, self.expression), self._with_assets(environment))
                found = outcomes.read(suite.name, report)
                if code == SOME_FAILED:
                    self.journal.say(f"{suite.name}: what has failed is tried once more")
                    again = LOGS / f"{suite.name}-again.xml"
                    argv = suite.argv(again, self.expression)
                    argv += ["--last-failed", "--last-failed-no-failures=none"]
                    code = self.run(argv, self._with_assets(environment))
                    found = outcomes.tried_again(found, outcomes.read(suite.name, again))
                detail.append(outcomes.counts(found) or "no tests")
                if code not in (0, EMPTY) or outcomes.any_failed(found):
                    raise StepError(outcomes.counts(found) or f"pytest exited with code {code}")
                if not outcomes.any_ran(found):
                    raise NothingRanError(outcomes.counts(found) or "no tests")
        except StepError:
            pass
        return found

    def _program(self, suite: Suite, argv: Sequence[str | Path]) -> None:
        try:
            with self.journal.step(suite.name):
                code = self.run(argv, self._with_assets({"PYTHONPATH": str(PROJECT / "test")}))
                if code != 0:
                    raise StepError(f"exit code {code}")
        except StepError:
            return

    def _with_assets(self, more: Mapping[str, str]) -> Mapping[str, str]:
        """The binaries that were found are for the tests too, so that none of them looks for others."""
        directories = {path.parent for path in self.assets.values()}
        if len(directories) == 1 and DIRECTORY_OF_ASSETS not in os.environ:
            return {DIRECTORY_OF_ASSETS: str(directories.pop()), **more}
        return more
