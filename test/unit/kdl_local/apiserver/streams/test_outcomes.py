import pytest

from kdl_local.apiserver.streams import outcomes
from kdl_runtime.codec.json import decode


def test_success_says_nothing_else() -> None:
    assert decode(outcomes.exited(0)) == {"metadata": {}, "status": "Success"}


@pytest.mark.parametrize("code", [1, 3, 126, 137, 255])
def test_an_exit_code_is_a_cause(code: int) -> None:
    status = decode(outcomes.exited(code))
    assert (status["status"], status["reason"]) == ("Failure", "NonZeroExitCode")
    assert status["details"] == {"causes": [{"reason": "ExitCode", "message": str(code)}]}
    assert str(code) in status["message"]


def test_an_error_of_the_node() -> None:
    status = decode(outcomes.failed(outcomes.internal("no such thing")))
    assert status["message"] == "Internal error occurred: no such thing"
    assert (status["status"], status["reason"], status["code"]) == ("Failure", "InternalError", 500)
    assert status["details"] == {"causes": [{"message": "no such thing"}]}
