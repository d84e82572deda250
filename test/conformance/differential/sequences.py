"""From a seed to a sequence."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from conformance.differential import special
from conformance.differential.author import Author
from conformance.differential.custom_kinds import GADGETS, JOBS, OLD_GADGETS, WIDGETS
from conformance.differential.kinds import KINDS, PODS, Kind
from conformance.differential.steps import Step
from conformance.differential.strategic import TEMPLATES, strategic

Actions = Sequence[tuple[int, Callable[[Author], None]]]

_WRITES: Actions = (
    (18, Author.create),
    (6, Author.create_wrong),
    (8, Author.get),
    (10, Author.update),
    (5, Author.replace),
    (10, Author.patch),
    (3, Author.apply),
    (3, Author.json_patch),
    (3, Author.finalizers),
    (8, Author.delete),
    (1, Author.delete_collection),
)
_READS: Actions = ((8, Author.listing), (3, Author.pages), (6, Author.watch))


@dataclass(frozen=True)
class Theme:
    """What a sequence is about: ``count`` actions about up to ``kinds`` of ``choices``."""

    name: str
    weight: int
    choices: tuple[Kind, ...]
    actions: Actions
    kinds: int = 2
    count: tuple[int, int] = (8, 30)


_VERSIONS = (GADGETS, OLD_GADGETS)
_CUSTOM = (WIDGETS, GADGETS, OLD_GADGETS)
_ALL = (*KINDS, PODS, *_CUSTOM, *JOBS)
THEMES = (
    Theme("any", 20, _ALL, (*_WRITES, *_READS, (4, Author.status), (1, Author.scale)), kinds=3),
    Theme(
        "watch", 16, _ALL, (*_WRITES, (20, Author.watch), (3, Author.listing), (6, Author.delete_collection)), kinds=1
    ),
    Theme(
        "lists", 10, _ALL, ((20, Author.create), (15, Author.listing), (8, Author.pages), (4, Author.delete)), kinds=1
    ),
    Theme("pods", 16, (PODS,), (*_WRITES, *_READS, (12, special.pods), (8, Author.status)), kinds=1),
    Theme("custom", 14, _CUSTOM, (*_WRITES, *_READS, (6, Author.status), (6, Author.scale)), kinds=1),
    Theme("jobs", 8, JOBS, (*_WRITES, *_READS, (6, Author.status)), kinds=1),
    Theme("strategic", 6, (TEMPLATES,), ((10, Author.create), (30, strategic), (4, Author.patch), (2, Author.delete))),
    Theme("apply", 10, _ALL, (*_WRITES, (30, Author.apply), (4, Author.status), (3, Author.watch)), kinds=1),
    Theme("versions", 6, _VERSIONS, (*_WRITES, (25, Author.apply), (3, Author.listing), (3, Author.watch))),
    Theme("wire", 8, _ALL, ((10, Author.create), (30, special.wire)), kinds=2),
    Theme("discovery", 2, _ALL, ((10, special.discovery), (2, special.wire)), count=(3, 8)),
    Theme("namespaces", 4, KINDS[:1], ((20, special.namespaces), (3, Author.create), (2, Author.watch))),
    Theme("definitions", 2, (WIDGETS,), ((20, special.define),), count=(1, 6)),
)


def sequence(seed: int) -> list[Step]:
    """The sequence of a seed: the same in every run."""
    return compose(random.Random(seed))


def compose(rng: random.Random) -> list[Step]:
    theme = rng.choices(THEMES, [theme.weight for theme in THEMES])[0]
    kinds = rng.sample(theme.choices, min(len(theme.choices), rng.randint(1, theme.kinds)))
    author = Author(rng, kinds)
    author.write(theme.actions, rng.randint(*theme.count))
    return author.steps
