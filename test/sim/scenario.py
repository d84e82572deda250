"""One simulated life of a cluster: its jobs, what their pods do, and what goes wrong. A seed decides all of it."""

import random
from dataclasses import dataclass, field

from kdl_local.apiserver.faults import FaultRates
from sim.jobs import SimJob, draw_job

CALM_AFTER = 900.0

INCIDENTS = (
    "kill",
    "kill",
    "stop",
    "sweep",
    "pod",
    "pod",
    "evict",
    "pressure",
    "pressure",
    "node",
    "node",
    "flap",
    "hang",
    "machine",
    "api",
    "compaction",
    "quota",
    "namespace",
)


@dataclass(frozen=True)
class Incident:
    """Something that goes wrong ``at`` a time, for ``span`` seconds. ``incidents.py`` says what each ``kind`` is;
    ``target`` picks the pod or node that it hits."""

    at: float
    kind: str
    span: float = 0.0
    target: int = 0


@dataclass(frozen=True)
class NameConflict:
    """A pod or service (``kind``) of somebody else that has the name of a job's first worker, for ``span`` seconds."""

    job: int
    kind: str
    span: float


@dataclass(frozen=True)
class Scenario:
    """``strangers``: pods of others that carry the labels of the first job. ``rates`` hold until ``calm_after``, so
    that everything can end."""

    seed: int
    nodes: int
    jobs: tuple[SimJob, ...]
    incidents: tuple[Incident, ...] = ()
    conflicts: tuple[NameConflict, ...] = ()
    strangers: int = 0
    rates: FaultRates = field(default_factory=FaultRates)
    calm_after: float = CALM_AFTER

    @property
    def undisturbed(self) -> bool:
        """Whether every request of the operator is answered at once and truthfully."""
        return self.rates == FaultRates()


def scenario(seed: int) -> Scenario:
    rng = random.Random(seed)
    jobs = tuple(draw_job(rng, index) for index in range(rng.randint(2, 6)))
    incidents = tuple(sorted((_incident(rng) for _ in range(rng.randint(0, 6))), key=lambda incident: incident.at))
    conflicts = (
        (NameConflict(rng.randrange(len(jobs)), rng.choice(("Pod", "Service")), rng.uniform(30, 300)),)
        if rng.random() < 0.2
        else ()
    )
    return Scenario(
        seed,
        rng.randint(2, 4),
        jobs,
        incidents,
        conflicts,
        strangers=rng.choice((0, 0, 2)),
        rates=FaultRates() if rng.random() < 0.35 else _rates(rng),
    )


def _rates(rng: random.Random) -> FaultRates:
    return FaultRates(
        latency=(0.0, rng.choice((0.0, 0.05, 0.5))),
        too_many_requests=rng.choice((0.0, 0.02, 0.1)),
        internal_error=rng.choice((0.0, 0.02, 0.05)),
        conflict=rng.choice((0.0, 0.05, 0.4)),
        refused=rng.choice((0.0, 0.02)),
        lost_answer=rng.choice((0.0, 0.02, 0.05)),
        expired_watch=rng.choice((0.0, 0.2)),
        dropped_watch=rng.choice((0.0, 0.5)),
        silent_watch=rng.choice((0.0, 0.2)),
    )


def _incident(rng: random.Random) -> Incident:
    return Incident(rng.uniform(1, 600), rng.choice(INCIDENTS), rng.uniform(0.1, 120), rng.randrange(1000))
