"""From the flags of ``kdl operator`` to the options of its manager."""

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from kdl_cli.commands.operator import command
from kdl_cli.errors import CliError
from kdl_cli.operating import manager_options
from kdl_cli.operatorflags import OperatorFlags
from kdl_runtime.manager.manager import ManagerOptions
from kdl_runtime.observe.opentelemetry import OpenTelemetryTracer
from kdl_runtime.serve.certificates import PairPaths
from kdl_runtime.serve.metrics_server import MetricsSecurity


def options_of(*arguments: str) -> ManagerOptions:
    """What the command would give its manager."""
    context = command.make_context("operator", list(arguments))
    names = [field.name for field in dataclasses.fields(OperatorFlags)]
    return manager_options(OperatorFlags(**{name: context.params[name] for name in names}))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], {"warmup": False, "reconcile_timeout": 0.0, "stall_threshold": 1.0, "timeout": 30.0}),
        (["--warmup"], {"warmup": True}),
        (["--reconcile-timeout", "1m30s"], {"reconcile_timeout": 90.0}),
        (["--event-loop-stall-threshold", "250ms"], {"stall_threshold": 0.25}),
        (["--graceful-shutdown-timeout", "5s"], {"timeout": 5.0}),
    ],
)
def test_flags_reach_the_manager(arguments: list[str], expected: dict[str, Any]) -> None:
    options = options_of(*arguments)
    found = {
        "warmup": options.controllers.warmup,
        "reconcile_timeout": options.controllers.reconcile_timeout,
        "stall_threshold": options.stall_threshold,
        "timeout": options.graceful_shutdown_timeout,
    }
    assert {name: found[name] for name in expected} == expected
    assert options.tracer is None


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], None),
        (["--metrics-secure"], MetricsSecurity()),
        (
            ["--metrics-secure", "--metrics-cert-path", "/c", "--metrics-cert-name", "a", "--metrics-cert-key", "b"],
            MetricsSecurity(PairPaths(Path("/c"), "a", "b")),
        ),
    ],
)
def test_metrics_are_protected_as_the_flags_say(arguments: list[str], expected: MetricsSecurity | None) -> None:
    assert options_of(*arguments).metrics_security == expected


@pytest.mark.parametrize(
    ("arguments", "selection"), [([], "-TFJob"), (["--workloads", "auto"], "auto"), (["--workloads", "*"], "*")]
)
def test_the_variable_of_kubedl_selects_kinds(
    arguments: list[str], selection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKLOADS_ENABLE", "-TFJob")
    assert command.make_context("operator", arguments).params["workloads"] == selection


def test_a_certificate_for_plain_metrics_is_refused() -> None:
    with pytest.raises(CliError, match="add --metrics-secure"):
        options_of("--metrics-cert-path", "/c")


def test_traces_go_to_opentelemetry() -> None:
    assert isinstance(options_of("--traces").tracer, OpenTelemetryTracer)


def test_traces_without_opentelemetry_name_the_extra() -> None:
    code = "import sys; sys.modules['opentelemetry'] = None; from kdl_cli.operating import _tracer; _tracer()"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "CliError: --traces: traces need OpenTelemetry: pip install 'kdl[otel]'" in answer.stderr


def test_a_negative_time_is_refused() -> None:
    with pytest.raises(click.BadParameter, match="no duration"):
        options_of("--reconcile-timeout", "-1s")
