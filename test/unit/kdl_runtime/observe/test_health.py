"""Answers to probes, letter by letter as controller-runtime gives them."""

import pytest

from kdl_runtime.observe.health import Check, HealthChecks, HealthReport


def fail() -> None:
    raise RuntimeError("a secret reason")


async def fail_later() -> None:
    fail()


async def succeed() -> None: ...


def checks(**named: Check) -> HealthChecks:
    made = HealthChecks()
    for name, check in named.items():
        made.add(name, check)
    return made


@pytest.mark.parametrize(
    ("made", "exclude", "verbose", "expected"),
    [
        (checks(), (), False, HealthReport(200, "ok")),
        (checks(), (), True, HealthReport(200, "[+]ping ok\nhealthz check passed\n")),
        (checks(a=succeed), (), True, HealthReport(200, "[+]a ok\nhealthz check passed\n")),
        (
            checks(a=succeed, b=fail),
            (),
            False,
            HealthReport(500, "[+]a ok\n[-]b failed: reason withheld\nhealthz check failed\n"),
        ),
        (checks(b=fail_later), (), False, HealthReport(500, "[-]b failed: reason withheld\nhealthz check failed\n")),
        (checks(a=succeed, b=fail), ("b",), False, HealthReport(200, "ok")),
        (checks(b=fail), ("b",), True, HealthReport(200, "[+]b excluded: ok\nhealthz check passed\n")),
        (
            checks(a=succeed),
            ("y", "x"),
            True,
            HealthReport(
                200,
                '[+]a ok\nwarn: some health checks cannot be excluded: no matches for "x","y"\nhealthz check passed\n',
            ),
        ),
    ],
)
async def test_report(made: HealthChecks, exclude: tuple[str, ...], verbose: bool, expected: HealthReport) -> None:
    assert await made.report(exclude=exclude, verbose=verbose) == expected


async def test_one_check() -> None:
    made = checks(a=succeed, b=fail)
    assert await made.report_one("a") == HealthReport(200, "ok")
    assert await made.report_one("b") == HealthReport(500, "internal server error: a secret reason\n")
    assert await made.report_one("ping") is None
    assert made.names == ("a", "b")


@pytest.mark.parametrize("name", ["", "a/b", "taken"])
def test_names_are_unique_path_segments(name: str) -> None:
    made = checks(taken=succeed)
    with pytest.raises(ValueError, match="health check"):
        made.add(name, succeed)


async def test_checks_are_listed_by_name() -> None:
    checks = HealthChecks()
    for name in ("c", "a", "b"):
        checks.add(name, lambda: None)
    report = await checks.report(verbose=True, exclude=["b"])
    assert report.body == "[+]a ok\n[+]b excluded: ok\n[+]c ok\nhealthz check passed\n"
