"""``hack/e2e``: see docs/e2e.md."""

import argparse
import fcntl
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from endtoend import choice, frameworks, outcomes, suites
from endtoend.run import Options, Run
from endtoend.runner import LOGS
from endtoend.steps import Journal

INTERRUPTED = 130
IN_USE = 3
LOCK = LOGS.with_suffix(".lock")


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    with alone() as free:
        if not free:
            print(f"error: {LOCK} is held: these tests are running in this checkout already. Wait for them", flush=True)
            return IN_USE
        return _run(options)


@contextmanager
def alone() -> Iterator[bool]:
    """False if there is another run, whose cluster and logs this one would take for its own."""
    LOCK.parent.mkdir(parents=True, exist_ok=True)
    with LOCK.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _run(options: argparse.Namespace) -> int:
    journal = Journal(frozenset(options.only), say=lambda line: print(line, flush=True))
    run = Run(journal, Options(options.cluster, options.keep, options.k))
    signal.signal(signal.SIGTERM, _interrupt)
    interrupted = False
    try:
        run()
    except KeyboardInterrupt:
        interrupted = True
    told = [*outcomes.lines(run.outcomes), *frameworks.lines(run.outcomes)]
    print("", *journal.table(), "", *told, sep="\n", flush=True)
    if interrupted or journal.failed:
        print(f"\n{'interrupted' if interrupted else 'FAILED'}; logs, reports and dumps are in {LOGS}", flush=True)
        return INTERRUPTED if interrupted else 1
    return 0


def _interrupt(number: int, frame: FrameType | None) -> None:
    """As Ctrl-C does. Whoever is impatient and asks twice has what is being taken down left to it."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hack/e2e", description="Run the operator on a real Kubernetes and test it there; see docs/e2e.md."
    )
    parser.add_argument("--cluster", choices=choice.KINDS, default=choice.AUTO, help="default: %(default)s")
    parser.add_argument("--keep", action="store_true", help="leave the cluster and the operator as they are")
    parser.add_argument(
        "--only",
        metavar="STEP",
        action="append",
        default=[],
        choices=suites.NAMES,
        help=f"only this test step; may be repeated: {', '.join(suites.NAMES)}",
    )
    parser.add_argument("-k", metavar="EXPRESSION", default="", help="only these tests on the cluster, as pytest's -k")
    return parser


if __name__ == "__main__":
    sys.exit(main())
