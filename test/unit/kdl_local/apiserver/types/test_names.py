import pytest

from kdl_local.apiserver import names


@pytest.mark.parametrize(
    ("value", "valid"),
    [
        ("a", True),
        ("my-name", True),
        ("1a", True),
        ("", False),
        ("-a", False),
        ("a-", False),
        ("A", False),
        ("a.b", False),
    ],
)
def test_dns_label(value: str, valid: bool) -> None:
    assert (names.dns_label(value) == []) is valid


def test_the_message_of_a_label_is_the_real_servers() -> None:
    assert names.dns_label("A_b") == [
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
        "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
        "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
    ]


def test_a_long_and_malformed_name_has_two_errors() -> None:
    assert len(names.dns_label("A" * 64)) == 2


@pytest.mark.parametrize(
    ("value", "prefix", "valid"),
    [
        ("a.b.c", False, True),
        ("example.com", False, True),
        ("a..b", False, False),
        ("a.-b", False, False),
        ("job-", False, False),
        ("job-", True, True),
        ("-", True, False),
        ("a" * 253, False, True),
        ("a" * 254, False, False),
    ],
)
def test_dns_subdomain(value: str, prefix: bool, valid: bool) -> None:
    assert (names.dns_subdomain(value, prefix) == []) is valid


@pytest.mark.parametrize(("value", "valid"), [("a1", True), ("1a", False), ("a-", False), ("a.b", False)])
def test_dns_1035_label(value: str, valid: bool) -> None:
    assert (names.dns_1035_label(value) == []) is valid


@pytest.mark.parametrize(
    ("value", "valid"),
    [
        ("app", True),
        ("example.com/app", True),
        ("App_1.x-y", True),
        ("/app", False),
        ("example.com/", False),
        ("a/b/c", False),
        ("-app", False),
        ("EXAMPLE.com/app", False),
        ("a" * 64, False),
        ("", False),
    ],
)
def test_qualified_name(value: str, valid: bool) -> None:
    assert (names.qualified_name(value) == []) is valid


def test_errors_of_a_prefix_say_so() -> None:
    assert names.qualified_name("Ex_ample/app")[0].startswith("prefix part a lowercase RFC 1123 subdomain must")


@pytest.mark.parametrize(
    ("value", "valid"),
    [("", True), ("v1.0_x", True), ("-x", False), ("a b", False), ("a" * 63, True), ("a" * 64, False)],
)
def test_label_value(value: str, valid: bool) -> None:
    assert (names.label_value(value) == []) is valid


@pytest.mark.parametrize(
    ("value", "valid"),
    [
        ("http", True),
        ("http-80", True),
        ("80", False),
        ("a--b", False),
        ("-a", False),
        ("a" * 16, False),
        ("HTTP", False),
    ],
)
def test_port_name(value: str, valid: bool) -> None:
    assert (names.port_name(value) == []) is valid


@pytest.mark.parametrize(
    ("value", "valid"),
    [("key.name", True), ("KEY_1", True), ("a/b", False), ("..", False), ("..a", False), (".a", True), ("", False)],
)
def test_config_key(value: str, valid: bool) -> None:
    assert (names.config_key(value) == []) is valid


@pytest.mark.parametrize(("value", "valid"), [("A", True), ("a.b-c", True), ("a=b", False), ("", False), ("ä", False)])
def test_env_name(value: str, valid: bool) -> None:
    assert (names.env_name(value) == []) is valid


@pytest.mark.parametrize(("value", "valid"), [("a:b", True), ("A", True), ("..", False), ("a/b", False), ("a%", False)])
def test_path_segment(value: str, valid: bool) -> None:
    assert (names.path_segment(value) == []) is valid
