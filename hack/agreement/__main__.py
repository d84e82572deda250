"""The API suite on the local cluster and on a real kube-apiserver, with and without controllers beside it; compared."""

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from agreement import earlier
from agreement.outcomes import Outcomes, compare, describe, read
from agreement.servers import LOCAL, REAL, REAL_API, TITLES, environment
from kdl_runtime.errors import KdlError

PROJECT = Path(__file__).parents[2]
SUITE = PROJECT / "test" / "conformance"
LOCAL_CLUSTER = PROJECT / "src" / "kdl_local"
DEFINITIONS = PROJECT / "deploy" / "crds"
_NO_TESTS_FAILED = (0, 1)
"""pytest's exit codes for a run that is complete."""


class RunError(Exception):
    """The suite did not run to its end."""


def run(kind: str, reports: Path, options: Sequence[str]) -> Outcomes:
    """The outcomes on one server; the report of pytest and its output are kept in ``reports``."""
    report, log = reports / f"{kind}.xml", reports / f"{kind}.log"
    report.unlink(missing_ok=True)
    started = time.monotonic()
    click.echo(f"{TITLES[kind]}: running, {log}")
    with environment(kind) as variables, log.open("wb") as output:
        ready = time.monotonic()
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", str(SUITE), f"--ignore={SUITE / 'differential'}"),
                *("-q", "-p", "no:cacheprovider", f"--junitxml={report}", "-o", "junit_family=xunit1", *options),
            ],
            cwd=PROJECT,
            env={**os.environ, **variables},
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode not in _NO_TESTS_FAILED or not report.exists():
        raise RunError(f"the suite did not run to its end on {TITLES[kind]}: see {log}")
    outcomes = read(report.read_text())
    seconds = f"{ready - started:.1f} s to start, {time.monotonic() - ready:.0f} s to run"
    click.echo(f"{TITLES[kind]}: {_told(outcomes)}; {seconds}")
    return outcomes


def _told(outcomes: Outcomes) -> str:
    counts = Counter(outcome.result for outcome in outcomes.values())
    return ", ".join([f"{len(outcomes)} cases", *(f"{count} {result}" for result, count in counts.items())])


def local_outcomes(report: Path | None, reports: Path, options: Sequence[str], cases: Iterable[str]) -> Outcomes:
    """From ``report`` if it is about this code and has all of the ``cases``; else from a run."""
    found = earlier.outcomes(report, [LOCAL_CLUSTER.parent, SUITE, DEFINITIONS]) if report else None
    if found is None or not found.keys() >= set(cases):
        return run(LOCAL, reports, options)
    prefix = f"{SUITE.relative_to(PROJECT)}/"
    found = {name: outcome for name, outcome in found.items() if name.startswith(prefix)}
    click.echo(f"{TITLES[LOCAL]}: {_told(found)}; as {report} tells")
    return found


def sizes(package: Path) -> dict[str, int]:
    """Lines of Python by folder directly below ``package``, its own files under "."."""
    found: Counter[str] = Counter()
    for path in package.rglob("*.py"):
        place = path.relative_to(package)
        found[place.parts[0] if len(place.parts) > 1 else "."] += len(path.read_text().splitlines())
    return dict(sorted(found.items()))


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--on",
    "kinds",
    type=click.Choice([REAL, REAL_API]),
    multiple=True,
    default=[REAL, REAL_API],
    show_default=True,
    help="With which real server to compare.",
)
@click.option(
    "--reports",
    type=click.Path(path_type=Path, file_okay=False),
    default=PROJECT / "build" / "conformance",
    help="Where to keep pytest's reports and output.  [default: build/conformance]",
)
@click.option(
    "--local",
    "report",
    type=click.Path(path_type=Path, dir_okay=False),
    help="pytest's report of a run on the local cluster, which is taken instead of another one if no code is newer.",
)
@click.argument("options", nargs=-1)
def main(kinds: Sequence[str], reports: Path, report: Path | None, options: Sequence[str]) -> None:
    """Run the API suite on the local cluster and on a real kube-apiserver, and compare.

    OPTIONS are for pytest, after --, such as: -- -n 4 -k watch. Exit codes: 0 all cases have the same result, 1 some do
    not, 2 a server or the suite could not be run.
    """
    reports = reports.absolute()
    reports.mkdir(parents=True, exist_ok=True)
    options = options or ("-n", "auto")
    try:
        real = {kind: run(kind, reports, options) for kind in kinds}
        cases = [name for outcomes in real.values() for name in outcomes]
        local = local_outcomes(report, reports, options, cases)
    except (KdlError, RunError) as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    comparisons = {kind: compare(local, outcomes) for kind, outcomes in real.items()}
    lines = sizes(LOCAL_CLUSTER)
    parts = ", ".join(f"{name} {count}" for name, count in lines.items())
    click.echo(f"what agrees is {sum(lines.values())} lines of Python ({parts}): docs/decisions/0006")
    for kind, comparison in comparisons.items():
        for line in describe(comparison, (TITLES[LOCAL], TITLES[kind])):
            click.echo(line)
    sys.exit(0 if all(comparison.agrees for comparison in comparisons.values()) else 1)


if __name__ == "__main__":
    main()
