"""The demo's own local cluster."""

from collections.abc import Iterator
from contextlib import contextmanager

from kdl_local import daemon
from kdl_local.daemon import ClusterInfo, UpOptions


@contextmanager
def local_cluster(name: str, *, keep: bool) -> Iterator[ClusterInfo]:
    """A cluster in the background for the time of the block; ``keep`` leaves it running after it.

    Starting and stopping block the event loop on purpose: an interruption is heeded when either is complete, so that no
    half of a cluster is left.
    """
    info = daemon.up(UpOptions(name=name))
    try:
        yield info
    finally:
        if not keep:
            daemon.down(name)
