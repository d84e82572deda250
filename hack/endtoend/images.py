"""The images of the tests: made, and given to the nodes.

Those of the training frameworks are the most of the time that this takes, and only some steps need them: they are given
beside the steps before.
"""

from collections.abc import Sequence
from pathlib import Path

from endtoend.cluster import Cluster
from endtoend.commands import HACK, followed
from endtoend.lane import Lane
from endtoend.steps import Journal, StepError
from endtoend.suites import Suite
from kdl_runtime.errors import KdlError

FIRST = ("pause", "busybox", "operator", "python")
"""What all steps need."""


class Images:
    """``lane`` is where those are given that only some of the suites need."""

    def __init__(self, journal: Journal, lane: Lane, suites: Sequence[Suite]) -> None:
        self._journal, self._lane = journal, lane
        self._later = tuple(dict.fromkeys(name for suite in suites for name in suite.images))
        self._archives: list[Path] = []

    def build(self) -> None:
        """StepError."""
        with self._journal.step("images") as detail:
            argv = [HACK / "images", "build", *FIRST, *self._later]
            self._archives = [Path(line) for line in followed(argv).split()]
            detail.append(f"{sum(path.stat().st_size for path in self._archives) // 2**20} MiB")

    def load(self, cluster: Cluster) -> None:
        """Returns when the nodes have what all steps need. The others follow. StepError."""
        if not self._archives:
            return
        with self._journal.step("cluster: load images"):
            cluster.load(self._archives[: len(FIRST)])
        if self._later:
            self._journal.say(f"beside the next steps: images {', '.join(self._later)}")
            self._lane.start({"images": lambda: self._load_later(cluster)})

    def wait_for(self, suite: Suite) -> None:
        """Until the nodes have the images of the suite. StepError if they will not."""
        if not suite.images:
            return
        self._lane.finish()
        if self._lane.journal.failed:
            raise StepError(f"without their images there is no step {suite.name}")

    def _load_later(self, cluster: Cluster) -> None:
        try:
            with self._lane.journal.step("cluster: load images of frameworks"):
                cluster.load(self._archives[len(FIRST) :], self._lane.run)
        except KdlError:
            # It is in the journal, which ``wait_for`` asks.
            return
