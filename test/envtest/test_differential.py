"""The differential fuzzer against a real API server of its own."""

import pytest

from conformance.differential.__main__ import main


@pytest.mark.timeout(400)
def test_the_local_server_differs_from_a_real_one_only_where_it_is_accepted() -> None:
    """Sequences for two minutes at most; an accepted difference that is none any more fails this too."""
    assert main(["--seeds", "0:400", "--seconds", "120"]) == 0
