"""How a command ends: exit codes, and the one line in which an error is told.

| code | meaning |
|---|---|
| 0 | done, or what was waited for has come |
| 1 | an error, or a job that ended in another way than was waited for |
| 124 | ``--timeout`` is over (the code of timeout(1)) |
| 130 | interrupted by Ctrl-C |
"""

from kdl_runtime.errors import ApiError, KdlError

FAILURE = 1
TIMED_OUT = 124
INTERRUPTED = 130


class CliError(KdlError):
    """A command cannot go on; the message names what is wrong and the way out."""

    exit_code = FAILURE


class WaitTimeoutError(CliError):
    """What was waited for has not come in time."""

    exit_code = TIMED_OUT


def one_line(error: Exception) -> str:
    """The text after ``error:``. An answer of the API server is introduced as such, with its reason."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, ApiError):
        return f"the API server refuses: {text} ({error.reason})"
    return text


def expected_error(error: Exception) -> Exception:
    """The error itself, or of a group (from tasks that ran together) the first that somebody raised on purpose. A group
    without such a one is a defect: it is raised again, so that its traceback is seen."""
    if not isinstance(error, ExceptionGroup):
        return error
    expected, _ = error.split((KdlError, OSError))
    if expected is None:
        raise error
    first: Exception = expected
    while isinstance(first, ExceptionGroup):
        first = first.exceptions[0]
    return first


def exit_code(error: Exception) -> int:
    return error.exit_code if isinstance(error, CliError) else FAILURE
