"""What a replica does: a program for a real container, and the same told to a fake node."""

from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]

IMAGE = "docker.io/kdl/busybox:1"
RUN_SECONDS = "kdl.io/fake-run-seconds"
EXIT_CODE = "kdl.io/fake-exit-code"
ORDER = "/tmp/exit"
"""The file by which a test tells the program how to end."""

_SCRIPT = """
trap 'echo stopped; exit 143' TERM
echo "$(hostname) begins"
tenths=0
while [ ! -f {order} ] && [ $tenths -lt {tenths} ]; do sleep 0.1; tenths=$((tenths + 1)); done
code={code}
[ -f {order} ] && code=$(cat {order})
echo "$(hostname) ends with $code"
exit $code
"""


@dataclass(frozen=True)
class Program:
    """Runs for so many seconds, or until the test ends it (None), and exits with the code."""

    seconds: float | None = 1
    code: int = 0

    def template(self, container: str) -> Object:
        """A pod template that means the same to a real node and to a fake one."""
        tenths = 10_000_000 if self.seconds is None else round(self.seconds * 10)
        script = _SCRIPT.format(order=ORDER, tenths=tenths, code=self.code)
        annotations = {EXIT_CODE: str(self.code)}
        if self.seconds is not None:
            annotations[RUN_SECONDS] = f"{self.seconds:g}"
        return {
            "metadata": {"annotations": annotations},
            "spec": {
                "terminationGracePeriodSeconds": 2,
                "containers": [
                    {
                        "name": container,
                        "image": IMAGE,
                        "command": ["sh", "-c", script],
                        "resources": {"requests": {"cpu": "1m", "memory": "8Mi"}},
                    }
                ],
            },
        }


ONE_SECOND = Program()
UNTIL_TOLD = Program(seconds=None)


def end_script(code: int) -> str:
    """The shell command that ends the program of the container it runs in."""
    return f"echo {code} > {ORDER}.new && mv {ORDER}.new {ORDER}"


def out_of_memory(container: str) -> Object:
    """The spec of a pod whose program asks for more memory than it may have, so that the kernel kills it."""
    command = ["sh", "-c", "all=$(head -c 200m /dev/zero | tr '\\0' a); echo survived"]
    limits = {"limits": {"memory": "16Mi"}}
    return {"containers": [{"name": container, "image": IMAGE, "command": command, "resources": limits}]}
