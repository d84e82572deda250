"""YAML as Kubernetes reads and writes it: JSON in another form, so what looks like a time stays a string."""

from typing import Any

import yaml

DecodeError = yaml.YAMLError
"""Raised for text that is no YAML; it says where."""


class _Loader(yaml.CSafeLoader):
    pass


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


class _Dumper(yaml.CSafeDumper):
    """Writes every value out in full: what other tools read should need no anchors."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def decode(data: bytes | str) -> Any:
    """The one document in ``data``, None if it is empty."""
    return yaml.load(data, _Loader)


def decode_all(data: bytes | str) -> list[Any]:
    """Every document, None for an empty one."""
    return list(yaml.load_all(data, _Loader))


def encode(obj: Any) -> str:
    """Keys in the order in which they are."""
    text: str = yaml.dump(obj, Dumper=_Dumper, sort_keys=False, default_flow_style=False, allow_unicode=True, width=120)
    return text
