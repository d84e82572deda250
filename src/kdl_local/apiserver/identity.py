"""Random identities: UIDs and the ends of generated names."""

import random
import uuid

# What k8s.io/apimachinery/pkg/util/rand uses: no vowels and nothing that is easily misread.
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_SUFFIX = 5
_PREFIX_MAX = 63 - _SUFFIX


class Identities:
    """Draws from one injected generator, so that a seed repeats them."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def uid(self) -> str:
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    def name(self, prefix: str) -> str:
        """A name from a ``generateName``; a prefix that is too long for it is cut."""
        return prefix[:_PREFIX_MAX] + "".join(self._rng.choices(_ALPHABET, k=_SUFFIX))
