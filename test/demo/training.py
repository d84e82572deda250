"""The training that tests disturb: three processes that add up numbers for a while."""

from pathlib import Path

from demo.sandbox import Sandbox
from kdl_runtime.codec import json

EXAMPLES = Path(__file__).parents[2] / "examples"
JOB = "pytorch-allreduce"


def submit(sandbox: Sandbox, connection: tuple[str, ...]) -> None:
    job = (EXAMPLES / "pytorch" / "job.yaml").read_text().replace('value: "5"', 'value: "20"')
    for path, text in ((sandbox.root / "job.yaml", job), (sandbox.root / "config.yaml", config_map())):
        path.write_text(text)
        sandbox.run("submit", "-f", str(path), *connection)
        path.unlink()


def pods(sandbox: Sandbox, connection: tuple[str, ...]) -> dict[str, str]:
    """UID by name."""
    listed = json.decode(sandbox.run("get", "pods", "-o", "json", *connection))
    return {item["metadata"]["name"]: item["metadata"]["uid"] for item in listed["items"]}


def config_map() -> str:
    program = (EXAMPLES / "pytorch" / "allreduce.py").read_text()
    made = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": JOB},
        "data": {"allreduce.py": program},
    }
    return json.encode(made).decode()
