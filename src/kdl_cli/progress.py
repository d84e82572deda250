"""What a person sees while a job goes on: each condition as it comes, and on a terminal one line that lives."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial

import click

from kdl_cli.durations import short_duration
from kdl_cli.jobs import JobView
from kdl_cli.timeline import Timeline
from kdl_runtime.clock import Clock


class JobProgress:
    """``tell`` prints one line, by default on standard error, so that standard output stays what was asked for."""

    def __init__(self, tell: Callable[[str], None] | None = None) -> None:
        self._tell = tell or partial(click.echo, err=True)
        self._timeline: Timeline | None = None
        self.view: JobView | None = None

    def show(self, view: JobView) -> None:
        """The newest look at the job; its new conditions are told, one line each."""
        self.view = view
        if self._timeline is None:
            self._timeline = Timeline(view.created)
        for condition in self._timeline.news(view.status.conditions):
            self._tell(self._timeline.line(condition))


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
    if not live:
        yield JobProgress()
        return
    from rich.console import Console
    from rich.live import Live
    from rich.spinner import Spinner
    from rich.text import Text

    console = Console(stderr=True)
    if not console.is_terminal:
        yield JobProgress()
        return
    spinner = Spinner("dots")
    # What is printed while a line lives must go through its console, or it would be written into that line.
    progress = JobProgress(lambda line: console.print(Text.from_ansi(line), soft_wrap=True))

    def frame() -> Spinner:
        spinner.update(text=status_line(progress.view, clock.now()))
        return spinner

    with Live(get_renderable=frame, console=console, transient=True, refresh_per_second=8):
        yield progress
