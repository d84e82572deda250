from pathlib import Path

import pytest

from kdl_cli.demo.examples import EXAMPLES, config_map, directory, job_manifest, score, with_output
from kdl_cli.errors import CliError

XGBOOST, PYTORCH = EXAMPLES["xgboost"], EXAMPLES["pytorch"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_complete_and_its_readme_states_the_promise(name: str) -> None:
    example = EXAMPLES[name]
    folder = directory(example, None)
    readme = (folder / "README.md").read_text()
    assert example.program in readme
    assert (f"accuracy {example.minimum}" if example.minimum else "all sums agree") in readme
    content = config_map(example, folder, "default")["data"][example.program]
    compile(content, example.program, "exec")
    for dialect in ("kubedl", "kubeflow"):
        job = job_manifest(folder, dialect, "ml")
        assert job["metadata"]["namespace"] == "ml"
        assert example.config_map in str(job)


def test_examples_that_are_nowhere_are_reported(tmp_path: Path) -> None:
    with pytest.raises(CliError, match="say --examples DIR"):
        directory(XGBOOST, tmp_path)


@pytest.mark.parametrize(
    ("line", "value", "problem"),
    [
        ("accuracy 0.9622", 0.9622, ""),
        ("accuracy 0.9400", 0.94, "below 0.95"),
        ("model saved", None, "the master's last line is 'model saved'"),
        ("", None, "the master's last line is ''"),
    ],
)
def test_the_last_line_is_judged(line: str, value: float | None, problem: str) -> None:
    found = score(XGBOOST, line)
    assert found.value == value
    assert problem in found.problem
    assert bool(problem) == bool(found.problem)


def test_a_promise_without_a_score_is_kept_or_not() -> None:
    assert score(PYTORCH, "all sums agree\n").problem == ""
    assert score(PYTORCH, "round 4").problem


def test_on_a_local_cluster_the_model_outlives_the_pods(tmp_path: Path) -> None:
    job = job_manifest(directory(XGBOOST, None), "kubedl", "default")
    changed = with_output(job, tmp_path)
    for replica in changed["spec"]["xgbReplicaSpecs"].values():
        volumes = {volume["name"]: volume for volume in replica["template"]["spec"]["volumes"]}
        assert volumes["output"]["hostPath"] == {"path": str(tmp_path), "type": "DirectoryOrCreate"}
        assert "emptyDir" not in volumes["output"]
        assert "configMap" in volumes["program"]
