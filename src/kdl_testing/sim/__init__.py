"""Simulation of an operator: processes, API server and users in one event loop on virtual time, faults from a seed.

A ``Simulation`` says how the operator is built, what users do, and what must hold. ``check`` plays seeds in a test,
``explore`` many of them, ``replay`` one; ``python -m kdl_testing.sim`` does both from a shell. A seed that fails is
shrunk to a smallest scenario, and told with the line that plays it again.
"""

from kdl_testing.sim.experiment import Experiment, replay
from kdl_testing.sim.explore import Failure, Report, check, explore, smallest
from kdl_testing.sim.faults import ALL_FAULTS, Fault, FaultKind
from kdl_testing.sim.gateway import Gateway
from kdl_testing.sim.process import Process, ProcessOptions, check_reachable
from kdl_testing.sim.scenario import Action, Dice, Parted, Scenario
from kdl_testing.sim.shrink import shrink
from kdl_testing.sim.simulation import Settings, Simulation, Write
from kdl_testing.sim.timeline import Moment, Timeline
from kdl_testing.sim.world import World

__all__ = [
    "ALL_FAULTS",
    "Action",
    "Dice",
    "Experiment",
    "Failure",
    "Fault",
    "FaultKind",
    "Gateway",
    "Moment",
    "Parted",
    "Process",
    "ProcessOptions",
    "Report",
    "Scenario",
    "Settings",
    "Simulation",
    "Timeline",
    "World",
    "Write",
    "check",
    "check_reachable",
    "explore",
    "replay",
    "shrink",
    "smallest",
]
