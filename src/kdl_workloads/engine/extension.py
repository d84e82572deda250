"""What other parts add to the life of a job, without the engine knowing them."""

from typing import Protocol

from kdl_workloads.engine.observed import Observed
from kdl_workloads.engine.plan import Plan


class Extension(Protocol):
    """Sees each plan before it is carried out.

    It is called at each look at a job that is ours, also when the plan is empty, so it must be quick and must do no
    I/O. It may add to the plan, and must not take anything away.
    """

    def extend(self, observed: Observed, plan: Plan) -> Plan: ...
