"""The record that a leader keeps in a Lease, and who may take it when.

https://kubernetes.io/docs/concepts/architecture/leases/. Times in the record are for people: they come from other
computers' clocks. What decides is how long the record has not changed, by one's own clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DURATION_AFTER_RELEASE = 1
"""Seconds. A released lease is free at once; the field must be positive."""


@dataclass(frozen=True, slots=True)
class ElectionOptions:
    """Which Lease, who we are, and how long it holds. Times in seconds.

    Others take the lease over when they have seen no renewal for ``lease_duration``. A leader that could not renew for
    ``renew_deadline`` stops leading, so the difference of the two is the time that it has to end what it does.
    ``retry_period`` is between renewals, and between attempts. ``release_on_exit``: give the lease back after an
    orderly end, so that the next leader does not wait. ValueError for times that cannot work together.
    """

    namespace: str
    name: str
    identity: str
    lease_duration: float = 15.0
    renew_deadline: float = 10.0
    retry_period: float = 2.0
    release_on_exit: bool = True

    def __post_init__(self) -> None:
        for field in ("namespace", "name", "identity"):
            if not getattr(self, field):
                raise ValueError(f"leader election: {field} is empty")
        if self.lease_duration < 1:
            raise ValueError(f"leader election: lease duration {self.lease_duration:g} s must be at least 1 s")
        if self.lease_duration <= self.renew_deadline:
            raise ValueError(
                f"leader election: lease duration {self.lease_duration:g} s must be longer than "
                f"the renew deadline {self.renew_deadline:g} s"
            )
        if self.retry_period <= 0 or self.renew_deadline <= JITTER * self.retry_period:
            raise ValueError(
                f"leader election: renew deadline {self.renew_deadline:g} s must be longer than "
                f"{JITTER:g} times the retry period {self.retry_period:g} s, and that more than 0"
            )

    @property
    def request_timeout(self) -> float:
        """Of one request: half of the renew deadline, so that one that hangs does not cost the lease."""
        return max(1.0, self.renew_deadline / 2)


JITTER = 1.2
"""Attempts to get the lease are spread over up to this many retry periods more."""


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """``spec`` of a Lease. ``duration`` in seconds; ``holder`` "" is nobody; times as the API writes them."""

    holder: str = ""
    duration: int = 0
    acquire_time: str = ""
    renew_time: str = ""
    transitions: int = 0

    @classmethod
    def decode(cls, lease: Mapping[str, Any]) -> "LeaseRecord":
        spec = lease.get("spec") or {}
        return cls(
            holder=spec.get("holderIdentity") or "",
            duration=spec.get("leaseDurationSeconds") or 0,
            acquire_time=spec.get("acquireTime") or "",
            renew_time=spec.get("renewTime") or "",
            transitions=spec.get("leaseTransitions") or 0,
        )

    def encode(self) -> dict[str, Any]:
        return {
            "holderIdentity": self.holder,
            "leaseDurationSeconds": self.duration,
            "acquireTime": self.acquire_time,
            "renewTime": self.renew_time,
            "leaseTransitions": self.transitions,
        }


@dataclass(frozen=True, slots=True)
class Observation:
    """A record, and when it was first seen so, in seconds of one's own monotonic clock."""

    record: LeaseRecord
    since: float

    def updated(self, record: LeaseRecord, now: float) -> "Observation":
        """The time is kept while the record says the same."""
        return self if record == self.record else Observation(record, now)

    @property
    def expires(self) -> float:
        """When the lease can be taken if the record does not change; at once if nobody holds it."""
        return self.since + self.record.duration if self.record.holder else self.since


def claim(current: LeaseRecord | None, options: ElectionOptions, now: str) -> LeaseRecord:
    """The record that makes us the leader: a renewal if we are it already, else a transition."""
    renewal = current is not None and current.holder == options.identity
    return LeaseRecord(
        holder=options.identity,
        duration=max(int(options.lease_duration), 1),
        acquire_time=current.acquire_time if current is not None and renewal else now,
        renew_time=now,
        transitions=0 if current is None else current.transitions + (not renewal),
    )


def released(current: LeaseRecord, now: str) -> LeaseRecord:
    """The record of a lease that nobody holds any more."""
    return LeaseRecord("", DURATION_AFTER_RELEASE, now, now, current.transitions)
