"""Writes src/kdl_local/apiserver/protobuf_messages.json: the field numbers of Kubernetes' protobuf messages.

    python hack/protobuf_messages.py [VERSION]

Clients in Go may send objects of built-in kinds in protobuf, whose field numbers no OpenAPI document tells. They are
read from the .proto files of the Go modules k8s.io/api and k8s.io/apimachinery at VERSION, which ``go mod download``
fetches; JSON names and the omission of empty fields come from the tags in their types.go. The format of the result is
explained in kdl_local/apiserver/protobuf.py.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

VERSION = "v0.36.3"
MODULES = ("k8s.io/api", "k8s.io/apimachinery")
TARGET = Path(__file__).parents[1] / "src/kdl_local/apiserver/protobuf_messages.json"
PACKAGES = {
    **{
        f"k8s.io.api.{name}": f"{name.replace('.', '/')}"
        for name in (
            "core.v1",
            "coordination.v1",
            "scheduling.v1",
            "policy.v1",
            "events.v1",
            "rbac.v1",
            "discovery.v1",
            "autoscaling.v1",
            "autoscaling.v2",
            "networking.v1",
            "authorization.v1",
            "authentication.v1",
        )
    },
    "k8s.io.apimachinery.pkg.apis.meta.v1": "meta/v1",
    "k8s.io.apimachinery.pkg.api.resource": "resource",
    "k8s.io.apimachinery.pkg.util.intstr": "intstr",
    "k8s.io.apimachinery.pkg.runtime": "runtime",
}
SCALARS = {"string": "s", "int32": "i", "int64": "i", "bool": "b", "bytes": "y", "double": "d"}

_MESSAGE = re.compile(r"^message (\w+) \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_FIELD = re.compile(r"^  (optional|required|repeated|map<string, ([\w.]+)>)\s*([\w.]*?)\s*(\w+) = (\d+);", re.MULTILINE)
_STRUCT = re.compile(r"^type (\w+) struct \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_TAGGED = re.compile(r'^\t(.*?)\s*`json:"([^"]*)" protobuf:"([^"]*)"', re.MULTILINE)


@dataclass(frozen=True)
class Tag:
    """What Go knows of a field and protobuf does not."""

    name: str
    inline: bool
    omit_zero: bool


def download(version: str) -> list[Path]:
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(["go", "mod", "init", "scratch"], cwd=scratch, check=True, capture_output=True)
        asked = [f"{module}@{version}" for module in MODULES]
        done = subprocess.run(["go", "mod", "download", "-json", *asked], cwd=scratch, check=True, capture_output=True)
    return [Path(found) for found in re.findall(r'"Dir": "(.*)"', done.stdout.decode())]


def tags(source: str) -> Iterator[tuple[tuple[str, str], Tag]]:
    """By struct and field number."""
    for struct, body in _STRUCT.findall(source):
        for declaration, json_tag, protobuf_tag in _TAGGED.findall(body):
            name, *options = json_tag.split(",")
            pointer = declaration.split()[-1].startswith("*")
            yield (
                (struct, protobuf_tag.split(",")[1]),
                Tag(name, "inline" in options, "omitempty" in options and not pointer),
            )


def reference(name: str, package: str) -> str:
    """``s`` for a scalar, ``core/v1.Container`` for a message."""
    if name in SCALARS:
        return SCALARS[name]
    if not name.startswith("."):
        return f"{PACKAGES[package]}.{name}"
    home, _, message = name[1:].rpartition(".")
    return f"{PACKAGES[home]}.{message}"


def messages(proto: Path) -> Iterator[tuple[str, str]]:
    text = re.sub(r"^\s*//.*\n", "", proto.read_text(), flags=re.MULTILINE)
    package = re.search(r"^package ([\w.]+);", text, re.MULTILINE)
    if package is None or package[1] not in PACKAGES:
        return
    known: Mapping[tuple[str, str], Tag] = dict(
        item for source in proto.parent.glob("types*.go") for item in tags(source.read_text())
    )
    for message, body in _MESSAGE.findall(text):
        fields = []
        for label, map_value, type_, name, number in _FIELD.findall(body):
            tag = known.get((message, number), Tag(name, inline=False, omit_zero=False))
            shown = "" if tag.inline else tag.name or name
            target = f"{{{reference(map_value, package[1])}" if map_value else reference(type_, package[1])
            marks = ("*" if label == "repeated" else "") + target + ("?" if tag.omit_zero else "")
            fields.append(f"{number} {shown} {marks}")
        yield f"{PACKAGES[package[1]]}.{message}", "|".join(fields)


def main() -> None:
    directories = download(sys.argv[1] if len(sys.argv) > 1 else VERSION)
    found = {
        name: spec for root in directories for proto in root.rglob("generated.proto") for name, spec in messages(proto)
    }
    lines = (f"{json.dumps(name)}: {json.dumps(found[name])}" for name in sorted(found))
    TARGET.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
