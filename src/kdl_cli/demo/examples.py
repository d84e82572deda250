"""The examples that ``kdl demo`` can run: their files, and what their jobs have to show at the end."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdl_cli.errors import CliError
from kdl_cli.manifests import read

OUTPUT_VOLUME = "output"


@dataclass(frozen=True, slots=True)
class Example:
    """``program`` is the file that the ConfigMap ``config_map`` carries into the pods.

    ``promise`` is what the master prints as its last line; if it has a group, that is a score, and ``minimum`` is the
    least that the example's README states.
    """

    name: str
    program: str
    config_map: str
    promise: re.Pattern[str]
    minimum: float | None = None


EXAMPLES: Mapping[str, Example] = {
    example.name: example
    for example in (
        Example("xgboost", "train.py", "xgboost-digits", re.compile(r"accuracy (\d\.\d+)"), minimum=0.95),
        Example("pytorch", "allreduce.py", "pytorch-allreduce", re.compile(r"all sums agree")),
    )
}


@dataclass(frozen=True, slots=True)
class Score:
    """What the master's last line says. ``problem`` is empty if it keeps the promise."""

    value: float | None
    problem: str = ""


def score(example: Example, last_line: str) -> Score:
    match = example.promise.fullmatch(last_line.strip())
    if match is None:
        return Score(
            None, f"the master's last line is {last_line!r}, and it should be like {example.promise.pattern!r}"
        )
    if example.minimum is None:
        return Score(None)
    value = float(match[1])
    if value < example.minimum:
        return Score(value, f"the accuracy {value} is below {example.minimum}, which its README states")
    return Score(value)


def directory(example: Example, root: Path | None) -> Path:
    """Where the example's files are: below ``root``, else in the checkout that this package is installed from, else in
    the current directory. CliError with the way out if they are nowhere."""
    roots = [root] if root else [Path(__file__).resolve().parents[3] / "examples", Path("examples")]
    for candidate in roots:
        if (candidate / example.name / "job.yaml").is_file():
            return candidate / example.name
    places = " or ".join(str(candidate) for candidate in roots)
    raise CliError(f"the example {example.name} is not in {places}: run in a checkout of kdl, or say --examples DIR")


def job_manifest(folder: Path, dialect: str, namespace: str) -> dict[str, Any]:
    """The example's job for an API group: ``kubedl`` or ``kubeflow``."""
    [manifest] = read(str(folder / ("job.yaml" if dialect == "kubedl" else "job-kubeflow.yaml")))
    return {**manifest.object, "metadata": {**manifest.object["metadata"], "namespace": namespace}}


def config_map(example: Example, folder: Path, namespace: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": example.config_map, "namespace": namespace},
        "data": {example.program: (folder / example.program).read_text(encoding="utf-8")},
    }


def with_output(job: Mapping[str, Any], output: Path) -> dict[str, Any]:
    """The job with a directory of the host for its volume ``output``, so that the model outlives the pods; the given
    job is left as it is."""
    spec = {
        name: {role: _replica_with_output(replica, output) for role, replica in value.items()}
        if name.endswith("ReplicaSpecs")
        else value
        for name, value in job["spec"].items()
    }
    return {**job, "spec": spec}


def _replica_with_output(replica: Mapping[str, Any], output: Path) -> dict[str, Any]:
    pod_spec = replica["template"]["spec"]
    host_path = {"name": OUTPUT_VOLUME, "hostPath": {"path": str(output), "type": "DirectoryOrCreate"}}
    volumes = [host_path if item["name"] == OUTPUT_VOLUME else item for item in pod_spec["volumes"]]
    changed = {**pod_spec, "volumes": volumes}
    return {**replica, "template": {**replica["template"], "spec": changed}}
