"""What this package raises."""

from kdl_runtime.errors import KdlError


class ClusterError(KdlError):
    """The cluster cannot do what it was asked to. The message says why, and the way out."""
