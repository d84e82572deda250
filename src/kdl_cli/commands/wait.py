"""``kdl wait``: until a job has come to an end, or to a condition."""

import click

from kdl_cli.durations import Duration
from kdl_cli.goals import Goal, parse_goal
from kdl_cli.options import Connection, connection_options, examples


class GoalType(click.ParamType[Goal]):
    name = "goal"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Goal:
        if isinstance(value, Goal):
            return value
        try:
            return parse_goal(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command(
    "wait",
    short_help="Wait until a job has come to an end, or to a condition.",
    epilog=examples(
        """
        kdl wait mnist
        kdl wait xgboostjob/mnist --for=finished --timeout 1h
        kdl wait mnist --for=condition=Running
        kdl wait mnist --for=deleted
        """
    ),
)
@click.argument("job", nargs=-1, required=True, metavar="JOB")
@click.option(
    "--for",
    "goal",
    type=GoalType(),
    default="succeeded",
    show_default=True,
    metavar="succeeded|finished|deleted|condition=TYPE",
    help="What to wait for; finished is succeeded or failed.",
)
@click.option("--timeout", type=Duration(), help="Stop waiting after so long (90s, 2h). Default: never.")
@connection_options
def command(job: tuple[str, ...], goal: Goal, timeout: float | None, connection: Connection) -> None:
    """Wait for JOB (NAME, KIND/NAME or KIND NAME), and tell each condition as it comes.

    Exit codes: 0 it has come; 1 it cannot come any more, or an error; 124 the timeout is over; 130 interrupted.
    """
    from kdl_cli.session import run

    run(_wait(job, goal, timeout, connection))


async def _wait(job: tuple[str, ...], goal: Goal, timeout: float | None, connection: Connection) -> None:
    from kdl_cli.progress import job_progress
    from kdl_cli.references import find_job, one_reference
    from kdl_cli.session import connect
    from kdl_cli.waiting import wait_for

    async with connect(connection) as session:
        found = await find_job(session, one_reference(job))
        with job_progress(session.clock, live=True) as progress:
            await wait_for(session, found, goal, timeout, progress.show)
        click.echo(f"{found} {goal}")
