import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from kdl_runtime.observe.logging import Reconciliation, configure, current_reconciliation, reconciliation
from kdl_runtime.types import ObjectKey

VALUE = Reconciliation("job", ObjectKey("ns", "a"), 1)


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield io.StringIO()
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()


def test_json_lines_name_the_object_that_is_reconciled(stream: io.StringIO) -> None:
    configure(json=True, stream=stream)
    log = structlog.get_logger("some.module")
    with reconciliation(VALUE):
        log.info("working", step=1)
        logging.getLogger("library").warning("old %s", "style")
        log.warning("about another", name="b")
    log.info("outside")
    log.debug("not at this level")
    first, library, other, outside = [json.loads(line) for line in stream.getvalue().splitlines()]
    named = {"controller": "job", "namespace": "ns", "name": "a", "reconcileID": "00000000-0000-4000-8000-000000000001"}
    assert first.items() >= (named | {"event": "working", "step": 1, "level": "info", "logger": "some.module"}).items()
    assert library.items() >= (named | {"event": "old style", "level": "warning"}).items()
    assert other["name"] == "b"
    assert "controller" not in outside


def test_console_lines_are_for_people(stream: io.StringIO) -> None:
    configure(level="DEBUG", stream=stream)
    structlog.get_logger("m").debug("hello", n=1)
    assert "hello" in stream.getvalue()
    assert "n=1" in stream.getvalue()


def test_an_error_is_one_json_line(stream: io.StringIO) -> None:
    configure(json=True, stream=stream)
    structlog.get_logger("m").error("failed", exc_info=ValueError("why"))
    (line,) = stream.getvalue().splitlines()
    assert "ValueError: why" in json.loads(line)["exception"]


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="log level 'loud' is unknown: use debug, info, warning or error"):
        configure(level="loud")


def test_the_reconciliation_ends_with_its_block() -> None:
    with pytest.raises(KeyError), reconciliation(VALUE):
        assert current_reconciliation() is VALUE
        raise KeyError
    assert current_reconciliation() is None
    assert VALUE.origin == ("job", ObjectKey("ns", "a"))


@pytest.mark.parametrize("json_lines", [True, False])
def test_a_traceback_shows_no_values(stream: io.StringIO, json_lines: bool) -> None:
    configure(json=json_lines, stream=stream)
    token = "-".join(("very", "secret"))
    try:
        raise ValueError(f"{len(token)} characters")
    except ValueError:
        structlog.get_logger("m").exception("failed")
    assert "ValueError: 11 characters" in stream.getvalue()
    assert token not in stream.getvalue()
