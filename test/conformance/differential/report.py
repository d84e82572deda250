"""Sequences and findings as text."""

from collections.abc import Sequence

from conformance.differential.normal import Normal
from conformance.differential.runner import Outcome
from conformance.differential.steps import Step
from kdl_runtime.codec.json import encode


def script(steps: Sequence[Step]) -> str:
    """The requests in lines for a shell."""
    return "\n".join(f"{index:>3}  {step}" for index, step in enumerate(steps))


def transcript(outcome: Outcome) -> str:
    """Every request with both answers."""
    lines = []
    for index, (step, exchange) in enumerate(zip(outcome.steps, outcome.exchanges, strict=True)):
        lines.append(f"{index:>3}  {step}")
        if exchange is None:
            lines.append("     not compared")
            continue
        for name, answer in (("real", exchange.real), ("local", exchange.local)):
            lines += [f"     {name:<5} {line}" for line in _answer(answer)]
    return "\n".join(lines)


def _answer(answer: Normal) -> list[str]:
    warnings = f" warnings {answer.warnings}" if answer.warnings else ""
    lines = [f"{answer.code} {answer.headers}{warnings} {answer.broken}"]
    if answer.events is None:
        lines.append(encode(answer.body).decode())
    else:
        lines += [f"{type_} {encode(obj).decode()}" for type_, obj in answer.events]
    return lines
