"""Which frameworks have trained for real, and why others cannot."""

from collections.abc import Iterable, Iterator

from endtoend.outcomes import PASSED, Outcome

TRAINED_BY = {
    "XGBoost": "test_training::test_xgboost",
    "PyTorch": "test_training::test_pytorch_trains",
    "TensorFlow, mirrored": "test_training::test_tensorflow_mirrored",
    "TensorFlow, parameter server": "test_training::test_tensorflow_parameter_server",
    "JAX": "test_training::test_jax",
    "PaddlePaddle": "test_training::test_paddle",
    "MXNet": "test_training::test_mxnet",
    "MPI, by our remote shell": "test_mpi::test_processes_of_two_workers_add_up",
    "MPI, by SSH": "test_mpi::test_processes_are_started_by_ssh",
}
"""Framework -> the test that trains with it."""
NOT_INSTALLABLE = {
    "XDL": "the package index has no package of it",
    "Mars": "the package index has no version of pymars for Python 3.11",
    "ElasticDL": "it needs TensorFlow 2.1.0, of which there is no version for Python 3.11",
}
"""Framework -> why no image has it. ``test_exchanges`` runs a program in its place."""


def lines(outcomes: Iterable[Outcome]) -> Iterator[str]:
    """Nothing if no test was to train."""
    results: dict[str, set[str]] = {}
    for outcome in outcomes:
        results.setdefault(outcome.test.partition("[")[0], set()).add(outcome.result)
    chosen = {name: results[test] for name, test in TRAINED_BY.items() if test in results}
    if not chosen:
        return
    trained = [name for name, found in chosen.items() if found == {PASSED}]
    yield f"trained for real: {'; '.join(trained) or 'none'}"
    if others := [name for name in chosen if name not in trained]:
        yield f"not trained, see above: {'; '.join(others)}"
    for name, reason in NOT_INSTALLABLE.items():
        yield f"not installable: {name}: {reason}"
