"""The outcomes of a run of the suite, and what two runs have in common. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from xml.etree import ElementTree

_LENGTH = 200

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


@dataclass(frozen=True)
class Outcome:
    """``reason`` is that of a skip or a failure, in one line."""

    result: str
    reason: str = ""


Outcomes = Mapping[str, Outcome]
"""By case: the path of its file, its name and its parameters."""


def read(report: str) -> Outcomes:
    """From pytest's JUnit report (family xunit1, which names the files)."""
    found: dict[str, Outcome] = {}
    for case in ElementTree.fromstring(report).iter("testcase"):
        name = f"{case.get('file') or case.get('classname')}::{case.get('name')}"
        outcome = _outcome(case)
        # A case whose clean-up fails is reported twice.
        if name not in found or outcome.result == FAILED:
            found[name] = outcome
    return found


def _outcome(case: ElementTree.Element) -> Outcome:
    for tag, result in (("failure", FAILED), ("error", FAILED), ("skipped", SKIPPED)):
        mark = case.find(tag)
        if mark is not None:
            lines = (mark.get("message") or "").splitlines()
            return Outcome(result, lines[0][:_LENGTH] if lines else "")
    return Outcome(PASSED)


@dataclass(frozen=True)
class Comparison:
    """``same``: cases that passed on both. ``differing``: those that failed on one or on both. ``skipped``: those that
    did not run on one of them, with the reason. ``missing``: those that one run does not know at all."""

    same: tuple[str, ...]
    differing: Mapping[str, tuple[Outcome, Outcome]]
    skipped: Mapping[str, str]
    missing: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        return bool(self.same) and not self.differing and not self.missing


def compare(first: Outcomes, second: Outcomes) -> Comparison:
    both = [name for name in first if name in second]
    pairs = {name: (first[name], second[name]) for name in both}
    results = {name: {one.result for one in pair} for name, pair in pairs.items()}
    skipped = [name for name in both if SKIPPED in results[name] and FAILED not in results[name]]
    return Comparison(
        same=tuple(name for name in both if results[name] == {PASSED}),
        differing={name: pairs[name] for name in both if FAILED in results[name]},
        skipped={name: _reason(pairs[name]) for name in skipped},
        missing=tuple(sorted(first.keys() ^ second.keys())),
    )


def _reason(pair: tuple[Outcome, Outcome]) -> str:
    return "; ".join(dict.fromkeys(one.reason for one in pair if one.result == SKIPPED))


def describe(comparison: Comparison, names: tuple[str, str]) -> Iterator[str]:
    """Lines for people; the last one is the sum."""
    first, second = names
    for case, (one, other) in comparison.differing.items():
        yield f"  differs: {case}: {first} {_told(one)}, {second} {_told(other)}"
    for case in comparison.missing:
        yield f"  only in one of the runs: {case}"
    for reason in dict.fromkeys(comparison.skipped.values()):
        cases = [case for case, why in comparison.skipped.items() if why == reason]
        yield f"  not compared, {len(cases)} cases: {reason}:"
        yield from (f"    {case}" for case in cases)
    count = len(comparison.same)
    if comparison.agrees:
        yield f"{first} and {second}: {count} cases, the same result on both"
    else:
        trouble = len(comparison.differing) + len(comparison.missing)
        yield f"{first} and {second}: {count} cases with the same result, {trouble} without"


def _told(outcome: Outcome) -> str:
    return f"{outcome.result} ({outcome.reason})" if outcome.reason else outcome.result
