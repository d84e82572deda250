"""Options that commands share, gathered into values that functions can pass on."""

import dataclasses
import functools
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from kdl_cli.output import Format

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Connection:
    """Which cluster. None: what KUBECONFIG, the pod's service account, or ~/.kube/config says."""

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None


def gathered(type_: type[Any], name: str) -> Callable[[F], F]:
    """Pass the parameters that are called as the fields of a dataclass as one argument of the dataclass."""
    names = [field.name for field in dataclasses.fields(type_)]

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def wrapper(**parameters: Any) -> Any:
            values = {key: parameters.pop(key) for key in names}
            return function(**parameters, **{name: type_(**values)})

        return wrapper  # type: ignore[return-value]  # the wrapper takes click's parameters, which no type describes

    return decorate


def connection_options(function: F) -> F:
    """``--kubeconfig``, ``--context`` and ``--namespace``, as the argument ``connection``."""
    decorated = gathered(Connection, "connection")(function)
    for option in (
        click.option("-n", "--namespace", metavar="NAME", help="Namespace. Default: the context's, else default."),
        click.option("--context", metavar="NAME", help="Context of the kubeconfig. Default: its current one."),
        click.option(
            "--kubeconfig", metavar="FILE", help="Kubeconfig. Default: $KUBECONFIG, the pod's, then ~/.kube/config."
        ),
    ):
        decorated = option(decorated)
    return decorated


def output_option(*formats: Format) -> Callable[[F], F]:
    """``-o``, as the argument ``output``; the first format is the default."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice([form.value for form in formats]),
        default=formats[0].value,
        show_default=True,
        callback=lambda _ctx, _param, value: Format(value),
        help="Output format.",
    )


def examples(text: str) -> str:
    """An epilog that click leaves as it is."""
    lines = textwrap.indent(textwrap.dedent(text).strip(), "  ")
    return f"\b\nExamples:\n{lines}"
