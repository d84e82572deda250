import re

import pytest

from kdl_local.apiserver.regex import compile_re2


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("b", "abc", True),
        ("^b", "abc", False),
        ("^abc$", "abc", True),
        ("^abc$", "abc\n", False),
        ("^[a-z$]+$", "a$", True),
        (r"^a\$$", "a$", True),
        (r"^\d+$", "١", False),
        ("^[[:alpha:]]+$", "abc", True),
        ("^[[:alpha:]]+$", "ab1", False),
        ("^[^[:digit:]]$", "a", True),
        ("^[[]$", "[", True),
        ("^[]a]$", "]", True),
        (r"^abc\z", "abc", True),
        ("(?i)^abc$", "ABC", True),
    ],
)
def test_search(pattern: str, text: str, found: bool) -> None:
    assert (compile_re2(pattern).search(text) is not None) is found


@pytest.mark.parametrize("pattern", ["(", "a**", r"(a)\1", "(?=a)", "(?!a)", "(?<=a)b", "[z-a]"])
def test_what_re2_refuses(pattern: str) -> None:
    with pytest.raises(re.error):
        compile_re2(pattern)
