"""The list of what differs from a real API server: in the code and in the documentation."""

import re
from pathlib import Path

from conformance.differential.accepted import ACCEPTED

DOCUMENT = Path(__file__).parents[3] / "docs" / "local-cluster.md"
_ROW = re.compile(r"^\| `([a-z-]+)` \| (.+) \|$", re.MULTILINE)


def test_the_documentation_has_the_same_list() -> None:
    assert _ROW.findall(DOCUMENT.read_text()) == [(item.id, item.what) for item in ACCEPTED]


def test_every_entry_says_why_and_shows_itself() -> None:
    assert all(item.why for item in ACCEPTED)
    # It takes a race of two watches to see the columns again.
    assert [item.id for item in ACCEPTED if not item.example] == ["repeated-columns"]
