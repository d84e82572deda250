"""What the demo shows: numbered steps with their times, the job's conditions, the replicas' lines, and the end."""

import click

from kdl_cli.durations import short_duration
from kdl_cli.jobs import JobView, Replica
from kdl_cli.lines import Prefixes
from kdl_cli.tables import fields
from kdl_cli.timeline import Timeline
from kdl_runtime.clock import Clock

_STEP_WIDTH = 18


class Report:
    """Writes to standard output, in plain text where that is no terminal. Keeps the last line of each replica."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._start = clock.monotonic()
        self._prefixes = Prefixes()
        self._timeline: Timeline | None = None
        self.last_lines: dict[str, str] = {}

    @property
    def seconds(self) -> float:
        """Since the demo began."""
        return self._clock.monotonic() - self._start

    def step(self, what: str, detail: str) -> None:
        after = click.style(f"{self.seconds:6.1f}s", fg="bright_black")
        click.echo(f"{after}  {click.style(what.ljust(_STEP_WIDTH), bold=True)} {detail}")

    def expect(self, view: JobView) -> None:
        """Reserve the columns for the job's replicas."""
        for role, count in view.replicas.items():
            for index in range(count):
                self._prefixes.know(str(Replica(role.lower(), index)))

    def conditions(self, view: JobView) -> None:
        if self._timeline is None:
            self._timeline = Timeline(view.created)
        for condition in self._timeline.news(view.status.conditions):
            self.step(condition.type.value, f"{condition.reason}: {condition.message}  ({view.progress()})")

    def line(self, source: str, line: str) -> None:
        self.last_lines[source] = line
        click.echo(" " * 9 + self._prefixes.apply(source, line))

    def end(self, pairs: list[tuple[str, str]]) -> None:
        click.echo()
        for line in fields([*pairs, ("time", short_duration(self.seconds))]):
            click.echo(line)
