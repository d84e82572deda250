"""The root cause of a job's end in one sentence, for people who read no more than the condition."""

from kdl_workloads.dialects.base import Text
from kdl_workloads.job import Failure

MAX_LINE = 200
"""Characters of the failure's message that are told: of its last line, which in a traceback is the one that says it."""


def with_cause(text: Text, failure: Failure | None) -> Text:
    """The group's own words, and behind them what went wrong; all of it is in ``firstFailure`` of the status."""
    return text if failure is None else Text(text.reason, f"{text.message} {in_words(failure)}")


def in_words(failure: Failure) -> str:
    """``First failure: pod a-worker-1 on node-2, container pytorch, exit code 137 (signal 9), OOMKilled: last line``.
    What is not known is left out."""
    code, signal = failure.exit_code, failure.signal
    facts = [
        f"pod {failure.pod}" + (f" on {failure.node}" if failure.node else ""),
        f"container {failure.container}" if failure.container else "",
        "" if code is None else f"exit code {code}" + (f" (signal {signal})" if signal else ""),
        failure.reason,
    ]
    lines = failure.message.strip().splitlines()
    said = f": {lines[-1].strip()[:MAX_LINE]}" if lines else ""
    return f"First failure: {', '.join(fact for fact in facts if fact)}{said}"
