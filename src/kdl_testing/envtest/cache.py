"""Where downloaded and built things are kept: outside the checkout, shared by all checkouts of a user."""

import os
from pathlib import Path


def cache_home() -> Path:
    """``KDL_CACHE_HOME``, else ``kdl`` in ``XDG_CACHE_HOME``, else ``~/.cache/kdl``. It need not exist yet."""
    own = os.environ.get("KDL_CACHE_HOME")
    if own:
        return Path(own)
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "kdl"
