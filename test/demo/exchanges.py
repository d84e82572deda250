"""The jobs of kinds whose frameworks are not at hand: programs that check what they were given and exchange data over
it."""

from typing import Any

import yaml

from demo.training import EXAMPLES

JOBS = {
    "tensorflow/job.yaml": ("worker-0", "all sums agree"),
    "tensorflow/job-kubeflow.yaml": ("chief-0", "all sums agree"),
    "xdl/job.yaml": ("worker-1", "all sums agree"),
    "mars/job.yaml": ("scheduler-0", "the sum over 20 chunks is 199990000"),
    "elasticdl/job.yaml": ("master-0", "2 workers have added up 20 tasks: 199990000"),
    "paddle/job.yaml": ("worker-2", "which are ['equal', 'equal', 'equal'], is 6"),
    "paddle/job-ps.yaml": ("worker-0", "which are ['server', 'trainer', 'trainer'], is 6"),
    "mxnet/job.yaml": ("worker-1", "all sums agree"),
    "mxnet/job-tune.yaml": ("tuner-0", "1 servers of key cpu have answered right"),
}
"""The replica whose log tells that the data have come through, and what it tells."""


def objects(path: str) -> list[dict[str, Any]]:
    """The job, and the ConfigMap that the comment above it says to make."""
    text = (EXAMPLES / path).read_text()
    command = next(line for line in text.splitlines() if "kubectl create configmap" in line).split()
    program = next(word.removeprefix("--from-file=") for word in command if word.startswith("--from-file="))
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": command[command.index("configmap") + 1]},
        "data": {program: (EXAMPLES / path).with_name(program).read_text()},
    }
    return [config_map, yaml.safe_load(text)]
