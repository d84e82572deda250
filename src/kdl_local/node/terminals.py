"""Terminals of containers and of commands in them."""

import fcntl
import struct
import termios

from kdl_local.apiserver.streams.channels import TerminalSize


def resize(descriptor: int, size: TerminalSize) -> None:
    """The programs in the terminal are told by SIGWINCH."""
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", size.rows, size.columns, 0, 0))
