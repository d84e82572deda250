"""What the tests of a run have come to, read from pytest's reports."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
KUBELET = "kubelet"
MEASURED = "measured"
FAKE = "fake"
OF_THE_CLUSTER = "e2e"


@dataclass(frozen=True)
class Outcome:
    """``kubelet``: the versions of those that ran pods of the test, or ``fake``; empty if it had none."""

    suite: str
    test: str
    result: str
    reason: str = ""
    kubelet: str = ""
    measured: str = ""

    @property
    def is_real(self) -> bool:
        return any(version not in ("", FAKE) for version in self.kubelet.split(", "))


def read(suite: str, report: Path) -> list[Outcome]:
    """The tests of a report; none if pytest has not come to write one."""
    if not report.exists():
        return []
    return [_outcome(suite, case) for case in ElementTree.parse(report).iter("testcase")]


def _outcome(suite: str, case: ElementTree.Element) -> Outcome:
    properties = {item.get("name"): item.get("value", "") for item in case.iter("property")}
    skipped = case.find("skipped")
    failed = [child for child in case if child.tag in ("failure", "error")]
    result = FAILED if failed else SKIPPED if skipped is not None else PASSED
    reason = failed[0].get("message", "") if failed else skipped.get("message", "") if skipped is not None else ""
    module = case.get("classname", "").rpartition(".")[2]
    return Outcome(
        suite=suite,
        test=f"{module}::{case.get('name')}",
        result=result,
        reason=reason.strip().partition("\n")[0],
        kubelet=properties.get(KUBELET, ""),
        measured=properties.get(MEASURED, ""),
    )


def tried_again(first: Iterable[Outcome], second: Iterable[Outcome]) -> list[Outcome]:
    """The outcomes of a run of which what had failed has run once more. A test that passes then keeps the reason of its
    failure: ``lines`` names it."""
    again = {outcome.test: outcome for outcome in second}
    merged = []
    for outcome in first:
        later = again.get(outcome.test, outcome) if outcome.result == FAILED else outcome
        passed_late = later is not outcome and later.result == PASSED
        merged.append(replace(later, reason=outcome.reason) if passed_late else later)
    return merged


def counts(outcomes: Iterable[Outcome]) -> str:
    """Such as "12 passed, 1 failed"."""
    found = [outcome.result for outcome in outcomes]
    return ", ".join(f"{found.count(result)} {result}" for result in (PASSED, FAILED, SKIPPED) if result in found)


def any_ran(outcomes: Iterable[Outcome]) -> bool:
    return any(outcome.result != SKIPPED for outcome in outcomes)


def any_failed(outcomes: Iterable[Outcome]) -> bool:
    return any(outcome.result == FAILED for outcome in outcomes)


def lines(outcomes: Iterable[Outcome]) -> Iterator[str]:
    """Which tests of the cluster ran on what, which were skipped and why, and what was measured."""
    every = list(outcomes)
    ran = [outcome for outcome in every if outcome.result != SKIPPED]
    real = [outcome for outcome in ran if outcome.is_real]
    versions = sorted({version for outcome in real for version in outcome.kubelet.split(", ")} - {FAKE, ""})
    yield from _named(f"against a real kubelet ({', '.join(versions)})" if real else "against a real kubelet", real)
    yield from _named("on fake nodes", [outcome for outcome in ran if outcome.kubelet == FAKE])
    yield from _named("on the API alone", [outcome for outcome in ran if not outcome.kubelet])
    skipped = [outcome for outcome in every if outcome.result == SKIPPED]
    reasons = sorted({outcome.reason for outcome in skipped})
    for reason in reasons:
        yield from _named(f"skipped, {reason}", [outcome for outcome in skipped if outcome.reason == reason])
    for outcome in every:
        if outcome.result == PASSED and outcome.reason:
            yield f"passed only when tried again: {outcome.test}: {outcome.reason}"
    for outcome in every:
        if outcome.measured:
            yield f"measured: {outcome.measured}"


def _named(title: str, outcomes: list[Outcome]) -> Iterator[str]:
    yield f"{title}: {len(outcomes) or 'no'} test{'' if len(outcomes) == 1 else 's'}"
    by_test: dict[str, list[str]] = {}
    for outcome in outcomes:
        name, _, parameters = outcome.test.partition("[")
        by_test.setdefault(name, []).append(re.sub(r"\]$", "", parameters))
    for name, values in by_test.items():
        given = ", ".join(filter(None, values))
        yield f"  {name}{f' [{given}]' if given else ''}"
