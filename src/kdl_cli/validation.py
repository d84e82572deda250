"""Checks of a job before it is sent: the same rules that the CRD and the operator apply, with every mistake at once."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from kdl_cli.manifests import Manifest
from kdl_workloads.api.podtemplate import template_errors
from kdl_workloads.dialects.base import SpecError
from kdl_workloads.dialects.registry import dialect_for
from kdl_workloads.framework import Framework


def problems(manifest: Manifest, frameworks: Mapping[str, Framework]) -> list[str]:
    """What is wrong with a job, one line for each field, in the form ``field: what to write there``.

    Empty for a good job and for an object that is no job, which is for the API server to judge.
    """
    framework = frameworks.get(manifest.kind)
    conventions = framework.conventions.get(manifest.api_version) if framework else None
    if framework is None or conventions is None:
        return []
    try:
        conventions.model.model_validate(manifest.object)
    except ValidationError as error:
        return [_line(item) for item in error.errors(include_url=False)]
    path = f"spec.{framework.replica_specs_field}"
    found: list[str] = []
    for role, spec in manifest.object["spec"][framework.replica_specs_field].items():
        found += template_errors(spec.get("template") or {}, f"{path}.{role}.template")
    return found or _spec_problems(manifest, framework)


def _spec_problems(manifest: Manifest, framework: Framework) -> list[str]:
    """What only the operator would see. A generated name is not known yet: the prefix stands for it."""
    metadata = manifest.object["metadata"]
    named = {"namespace": "", **metadata, "name": metadata.get("name") or metadata["generateName"] + "00000"}
    try:
        dialect_for(manifest.api_version).decode({**manifest.object, "metadata": named}, framework)
    except SpecError as error:
        return [str(error)]
    return []


def _line(item: Mapping[str, Any]) -> str:
    path = ""
    for part in item["loc"]:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    if item["type"] == "extra_forbidden":
        return f"{path}: unknown field"
    if item["type"] == "missing":
        return f"{path}: is required"
    return f"{path}: {item['msg'][0].lower()}{item['msg'][1:]}, not {item['input']!r}"
