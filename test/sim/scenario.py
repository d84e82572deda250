"""One simulated life of a cluster: its jobs, what their pods do, and what goes wrong. A seed decides all of it."""

import random
from collections.abc import Collection
from dataclasses import dataclass, field, replace

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

    def __str__(self) -> str:
        return f"t={self.at:.1f} {self.kind} for {self.span:.1f} s, target {self.target}"


@dataclass(frozen=True)
class NameConflict:
    """A pod or service (``kind``) of somebody else that has the name of a job's first worker, for ``span`` seconds."""

    job: int
    kind: str
    span: float

    def __str__(self) -> str:
        return (
            f"a {self.kind} of somebody else has the name of the first worker of job-{self.job}, for {self.span:.1f} s"
        )


@dataclass(frozen=True)
class Scenario:
    """``strangers``: pods of others that carry the labels of the first job. ``rates`` hold until ``calm_after``, so
    that everything can end. Its parts are jobs, incidents, conflicts of names, strangers and rates; ``left_out`` has
    the numbers of those that are not played."""

    seed: int
    nodes: int
    jobs: tuple[SimJob, ...]
    incidents: tuple[Incident, ...] = ()
    conflicts: tuple[NameConflict, ...] = ()
    strangers: int = 0
    rates: FaultRates = field(default_factory=FaultRates)
    calm_after: float = CALM_AFTER
    left_out: frozenset[int] = frozenset()

    @property
    def drawn(self) -> "tuple[Part, ...]":
        """All that the seed has decided."""
        return (*self.jobs, *self.incidents, *self.conflicts, self.strangers, self.rates)

    @property
    def kept(self) -> tuple[int, ...]:
        return tuple(number for number in range(len(self.drawn)) if number not in self.left_out)

    def keep(self, numbers: Collection[int]) -> "Scenario":
        """The same seed with no more than these of its parts."""
        return replace(self, left_out=self.left_out | {number for number in self.kept if number not in numbers})

    def subject(self, number: int) -> str:
        part = self.drawn[number]
        if isinstance(part, SimJob):
            return part.name
        return f"job-{part.job}" if isinstance(part, NameConflict) else ""

    def describe(self) -> list[str]:
        return [self._describe(self.drawn[number]) for number in self.kept]

    @staticmethod
    def _describe(part: "Part") -> str:
        return f"{part} pods of strangers" if isinstance(part, int) else str(part)

    @property
    def played(self) -> "Scenario":
        """The scenario of the parts that are kept, and of nothing else."""
        kept = [self.drawn[number] for number in self.kept]
        jobs = tuple(part for part in kept if isinstance(part, SimJob))
        there = {job.name for job in jobs}
        conflicts = (part for part in kept if isinstance(part, NameConflict) and self.jobs[part.job].name in there)
        return replace(
            self,
            jobs=jobs,
            incidents=tuple(part for part in kept if isinstance(part, Incident)),
            conflicts=tuple(replace(part, job=jobs.index(self.jobs[part.job])) for part in conflicts),
            strangers=next((part for part in kept if isinstance(part, int)), 0) if jobs else 0,
            rates=next((part for part in kept if isinstance(part, FaultRates)), FaultRates()),
            left_out=frozenset(),
        )

    @property
    def undisturbed(self) -> bool:
        """Whether every request of the operator is answered at once and truthfully."""
        return self.rates == FaultRates()


Part = SimJob | Incident | NameConflict | int | FaultRates
"""A number is that of strangers."""


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
