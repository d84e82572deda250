"""What a client is told at the end of exec and attach, as a ``Status`` on the error channel. Pure."""

from kdl_runtime.codec.json import encode
from kdl_runtime.errors import ApiError, InternalError

_SUCCESS = {"metadata": {}, "status": "Success"}


def exited(code: int) -> bytes:
    """The end of a command. Clients read the exit code from the cause, and show the message to nobody."""
    if code == 0:
        return encode(_SUCCESS)
    return encode(
        {
            "metadata": {},
            "status": "Failure",
            "message": f"command terminated with non-zero exit code: command terminated with exit code {code}",
            "reason": "NonZeroExitCode",
            "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
        }
    )


def failed(error: ApiError) -> bytes:
    """A command that could not be run, or a container that could not be attached to."""
    return encode(error.to_status())


def internal(message: str) -> InternalError:
    """An error of the node, worded as API servers pass them on."""
    return InternalError(f"Internal error occurred: {message}", details={"causes": [{"message": message}]})
