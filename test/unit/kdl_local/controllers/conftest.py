from collections.abc import Callable, Coroutine

import pytest

from kdl_testing import virtual_time
from unit.kdl_local.controllers.plane import OnVirtualTime, Start, started


@pytest.fixture
def start() -> Start:
    return started


@pytest.fixture
def on_virtual_time() -> OnVirtualTime:
    """Runs an async function on virtual time; for use in ordinary test functions."""

    def run(main: Callable[[], Coroutine[object, object, None]]) -> None:
        virtual_time.run(main())

    return run
