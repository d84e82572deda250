import pytest

from kdl_local.apiserver.formats import FORMATS


@pytest.mark.parametrize(
    ("name", "text", "valid"),
    [
        ("date-time", "2026-01-31T12:00:00Z", True),
        ("date-time", "2026-01-31T12:00:00.123+02:00", True),
        ("date-time", "2026-01-31t12:00:00z", True),
        ("date-time", "2026-01-31 12:00:00Z", False),
        ("date-time", "2026-02-30T12:00:00Z", False),
        ("date-time", "2026-01-31T12:00:00", False),
        ("date", "2026-01-31", True),
        ("date", "2026-13-31", False),
        ("byte", "YWJj", True),
        ("byte", "YWJ", False),
        ("byte", "!", False),
        ("duration", "1h30m", True),
        ("duration", "1.5s", True),
        ("duration", "soon", False),
        ("uuid", "8a7f1c3e-0b1d-4f7e-9c39-6a2f6e1f7b11", True),
        ("uuid", "8a7f", False),
        ("ipv4", "10.0.0.1", True),
        ("ipv4", "10.0.0.256", False),
        ("ipv6", "::1", True),
        ("ipv6", "10.0.0.1", False),
        ("cidr", "10.0.0.0/8", True),
        ("cidr", "10.0.0.1", False),
        ("hostname", "a.example.com", True),
        ("hostname", "-a", False),
        ("uri", "https://example.com/a", True),
        ("uri", "example", False),
        ("email", "a@example.com", True),
        ("email", "a", False),
        ("mac", "00:1a:2b:3c:4d:5e", True),
        ("k8s-short-name", "a-b", True),
        ("k8s-long-name", "a.b", True),
        ("k8s-short-name", "a.b", False),
    ],
)
def test_format(name: str, text: str, valid: bool) -> None:
    assert FORMATS[name](text) is valid
