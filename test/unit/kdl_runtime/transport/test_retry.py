"""Which answers ask to be tried again, and the warnings in them."""

import pytest

from kdl_runtime.transport.retry import retry_after, warnings_in


@pytest.mark.parametrize(
    ("status", "value", "seconds"),
    [
        (429, "1", 1.0),
        (429, " 30 ", 30.0),
        (429, "0", 0.0),
        (503, "2", 2.0),
        (500, "2", 2.0),
        (429, None, None),
        (500, None, None),
        (404, "1", None),
        (200, "1", None),
        (429, "-1", None),
        (429, "1.5", None),
        (429, "²", None),
        (503, "Wed, 21 Oct 2026 07:28:00 GMT", None),
    ],
)
def test_pauses(status: int, value: str | None, seconds: float | None) -> None:
    headers = {} if value is None else {"retry-after": value}
    assert retry_after(status, headers) == seconds


@pytest.mark.parametrize(
    ("header", "texts"),
    [
        ("", []),
        ('299 - "old API"', ["old API"]),
        ('299 - "a, b", 299 agent "c"', ["a, b", "c"]),
        (r'299 - "unknown field \"spec.x\" and \\"', ['unknown field "spec.x" and \\']),
        ('199 - "not ours"', []),
        ('299 - "dated" "Wed, 21 Oct 2026 07:28:00 GMT"', ["dated"]),
        ("299 - open", []),
    ],
)
def test_warnings(header: str, texts: list[str]) -> None:
    assert warnings_in({"warning": header} if header else {}) == texts
