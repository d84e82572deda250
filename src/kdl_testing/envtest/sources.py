"""What a source of binaries is: the official releases, or a build."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from kdl_testing.envtest.catalog import Binary, Module, Platform

Report = Callable[[str], None]
"""Gets lines for people who wait: what is done now, and what was amiss."""


@dataclass(frozen=True, slots=True)
class Order:
    """Binaries of one module to put into the directory ``staging``, under their names. ``parts`` is a directory for
    what a later try can go on from; nobody else uses either at the same time."""

    module: Module
    binaries: Sequence[Binary]
    platform: Platform
    staging: Path
    parts: Path

    def only(self, names: Collection[str]) -> "Order":
        """For these binaries alone."""
        return replace(self, binaries=[binary for binary in self.binaries if binary.name in names])


class Source(Protocol):
    @property
    def name(self) -> str:
        """As messages call it."""

    def obtain(self, order: Order, report: Report) -> Mapping[str, str]:
        """Puts there what it can. For each binary that it could not, the reason."""
