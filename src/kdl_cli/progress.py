"""What a person sees while a job goes on: each condition as it comes, and on a terminal one line that lives."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import click

from kdl_cli.durations import short_duration
from kdl_cli.jobs import JobView
from kdl_cli.timeline import Timeline
from kdl_runtime.clock import Clock


class JobProgress:
    """Tells on standard error, so that standard output stays what was asked for."""

    def __init__(self) -> None:
        self._timeline: Timeline | None = None
        self.view: JobView | None = None

    def show(self, view: JobView) -> None:
        """The newest look at the job; its new conditions are told, one line each."""
        self.view = view
        if self._timeline is None:
            self._timeline = Timeline(view.created)
        for condition in self._timeline.news(view.status.conditions):
            click.echo(self._timeline.line(condition), err=True)


def status_line(view: JobView | None, now: datetime) -> str:
    """``digits  Running  Master 1/1, Worker 2/2  12s``."""
    if view is None:
        return "waiting for the job"
    restarts = f"  {view.restarts} restarts" if view.restarts else ""
    since = short_duration(now - view.created)
    return f"{view.name}  {view.state}  {view.progress()}{restarts}  {since}"


@contextmanager
def job_progress(clock: Clock, *, live: bool) -> Iterator[JobProgress]:
    """Progress for the time of the block. With ``live``, and if standard error is a terminal, the last line of the
    terminal shows the replica counts and the time that has passed."""
    progress = JobProgress()
    if not live:
        yield progress
        return
    from rich.console import Console
    from rich.live import Live
    from rich.spinner import Spinner

    console = Console(stderr=True)
    if not console.is_terminal:
        yield progress
        return
    spinner = Spinner("dots")

    def frame() -> Spinner:
        spinner.update(text=status_line(progress.view, clock.now()))
        return spinner

    with Live(get_renderable=frame, console=console, transient=True, refresh_per_second=8):
        yield progress
