"""Where the files of running clusters are. Commands that need nothing else start quickly."""

import os
from pathlib import Path


def root() -> Path:
    """``$KDL_STATE_HOME``, else ``$XDG_STATE_HOME/kdl``, else ``~/.local/state/kdl``."""
    own = os.environ.get("KDL_STATE_HOME")
    if own:
        return Path(own).absolute()
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state").absolute() / "kdl"
