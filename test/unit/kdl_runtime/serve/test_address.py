import pytest

from kdl_runtime.serve.address import Address, parse_bind_address


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", None),
        ("", None),
        (":8080", Address("", 8080)),
        ("127.0.0.1:0", Address("127.0.0.1", 0)),
        ("localhost:9", Address("localhost", 9)),
        ("[::1]:8080", Address("::1", 8080)),
    ],
)
def test_what_flags_give(text: str, expected: Address | None) -> None:
    assert parse_bind_address(text) == expected


@pytest.mark.parametrize("text", ["8080", "host", "host:", ":x", ":70000", "::1:80", "[::1]", "[host]:1", ":-1", ":٣"])
def test_what_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be host:port, :port, or 0"):
        parse_bind_address(text)


def test_addresses_are_written_as_they_are_read() -> None:
    assert str(Address("::1", 80)) == "[::1]:80"
    assert str(Address("", 80)) == ":80"
