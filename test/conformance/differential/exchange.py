"""One request with both answers."""

from dataclasses import dataclass

from conformance.differential.normal import Normal
from conformance.differential.steps import Step


@dataclass(frozen=True)
class Exchange:
    step: Step
    real: Normal
    local: Normal
