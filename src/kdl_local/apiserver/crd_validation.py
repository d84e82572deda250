"""Whether a CustomResourceDefinition may be stored.

Rules and messages follow ``k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation``; conversion by webhook is
refused, because this server calls no webhooks.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from kdl_local.apiserver.cel import compile_rules
from kdl_local.apiserver.fields import FieldError
from kdl_local.apiserver.jsonpath import PathError, compile_path
from kdl_local.apiserver.names import dns_1035_label, dns_subdomain
from kdl_local.apiserver.node import Node, compile_schema
from kdl_local.apiserver.structural import structural_errors
from kdl_local.apiserver.types import Object

_SCOPES = ("Cluster", "Namespaced")
_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_SIMPLE_PATH = re.compile(r"(\.[A-Za-z_][\w-]*)+")
_APPROVAL = "api-approved.kubernetes.io"


def validate(crd: Object, old: Object | None = None) -> list[FieldError]:
    """What is wrong with a CRD whose defaults are filled in; ``old`` is the stored one of an update."""
    spec = crd.get("spec") or {}
    errors = [*_metadata_errors(crd, spec), *_spec_errors(spec), *_names_errors(spec.get("names") or {})]
    versions = spec.get("versions") or []
    errors += _versions_errors(versions)
    # Schemas that are stored are valid, and to find that again at each new status takes long.
    if not errors and (old is None or versions != old["spec"]["versions"]):
        errors += schema_errors(versions)
    if old is not None:
        errors += _update_errors(crd, old)
    return errors


def _metadata_errors(crd: Object, spec: Mapping[str, Any]) -> list[FieldError]:
    metadata, names = crd.get("metadata") or {}, spec.get("names") or {}
    errors: list[FieldError] = []
    name, group = metadata.get("name", ""), spec.get("group") or ""
    if name != f"{names.get('plural', '')}.{group}":
        errors.append(FieldError.invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group'))
    if group.endswith((".k8s.io", ".kubernetes.io")) and not (metadata.get("annotations") or {}).get(_APPROVAL):
        detail = (
            f'protected groups must have approval annotation "{_APPROVAL}", '
            "see https://github.com/kubernetes/enhancements/pull/1111"
        )
        errors.append(FieldError.required(f"metadata.annotations[{_APPROVAL}]", detail))
    return errors


def _spec_errors(spec: Mapping[str, Any]) -> list[FieldError]:
    errors: list[FieldError] = []
    group, scope = spec.get("group") or "", spec.get("scope") or ""
    if not group:
        errors.append(FieldError.required("spec.group"))
    elif problems := dns_subdomain(group):
        errors.append(FieldError.invalid("spec.group", group, ",".join(problems)))
    elif "." not in group:
        errors.append(FieldError.invalid("spec.group", group, "should be a domain with at least one dot"))
    if not scope:
        errors.append(FieldError.required("spec.scope"))
    elif scope not in _SCOPES:
        errors.append(FieldError.not_supported("spec.scope", scope, _SCOPES))
    if spec.get("preserveUnknownFields"):
        detail = (
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        )
        errors.append(FieldError.invalid("spec.preserveUnknownFields", True, detail))
    strategy = (spec.get("conversion") or {}).get("strategy", "None")
    if strategy != "None":
        errors.append(FieldError.not_supported("spec.conversion.strategy", strategy, ("None",)))
    return errors


def _names_errors(names: Mapping[str, Any]) -> list[FieldError]:
    errors: list[FieldError] = []
    for name in ("plural", "singular", "kind", "listKind"):
        path, value = f"spec.names.{name}", names.get(name) or ""
        mixed = name.lower().endswith("kind")
        if not value:
            errors.append(FieldError.required(path))
        elif problems := dns_1035_label(value.lower() if mixed else value):
            prefix = "may have mixed case, but should otherwise match: " if mixed else ""
            errors.append(FieldError.invalid(path, value, prefix + ",".join(problems)))
    for name in ("shortNames", "categories"):
        for index, value in enumerate(names.get(name) or ()):
            if problems := dns_1035_label(value):
                errors.append(FieldError.invalid(f"spec.names.{name}[{index}]", value, ",".join(problems)))
    if names.get("kind") and names.get("kind") == names.get("listKind"):
        detail = "kind and listKind may not be the same"
        errors.append(FieldError.invalid("spec.names.listKind", names["listKind"], detail))
    return errors


def _versions_errors(versions: Sequence[Mapping[str, Any]]) -> list[FieldError]:
    errors: list[FieldError] = []
    names = [version.get("name") or "" for version in versions]
    for index, version in enumerate(versions):
        path = f"spec.versions[{index}]"
        if problems := dns_1035_label(names[index]):
            errors.append(FieldError.invalid(f"{path}.name", names[index], ",".join(problems)))
        if not (version.get("schema") or {}).get("openAPIV3Schema"):
            errors.append(FieldError.required(f"{path}.schema.openAPIV3Schema", "schemas are required"))
        errors += _columns_errors(version.get("additionalPrinterColumns") or (), path)
        errors += _scale_errors((version.get("subresources") or {}).get("scale"), f"{path}.subresources.scale")
        for number, entry in enumerate(version.get("selectableFields") or ()):
            where = f"{path}.selectableFields[{number}].jsonPath"
            if not _SIMPLE_PATH.fullmatch(entry.get("jsonPath") or ""):
                errors.append(FieldError.invalid(where, entry.get("jsonPath"), "is an invalid path"))
    if len(set(names)) != len(names):
        errors.append(FieldError.invalid("spec.versions", names, "must contain unique version names"))
    if sum(bool(version.get("storage")) for version in versions) != 1:
        detail = "must have exactly one version marked as storage version"
        errors.append(FieldError.invalid("spec.versions", names, detail))
    return errors


def _columns_errors(columns: Sequence[Mapping[str, Any]], path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    for index, column in enumerate(columns):
        where = f"{path}.additionalPrinterColumns[{index}]"
        for name in ("name", "type", "jsonPath"):
            if not column.get(name):
                errors.append(FieldError.required(f"{where}.{name}"))
        if column.get("type") and column["type"] not in _COLUMN_TYPES:
            errors.append(
                FieldError.invalid(f"{where}.type", column["type"], f"must be one of {','.join(_COLUMN_TYPES)}")
            )
        try:
            compile_path(column.get("jsonPath") or "")
        except PathError as error:
            errors.append(FieldError.invalid(f"{where}.jsonPath", column.get("jsonPath"), str(error)))
    return errors


def _scale_errors(scale: Mapping[str, Any] | None, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    if scale is None:
        return errors
    for name, prefixes in (
        ("specReplicasPath", (".spec.",)),
        ("statusReplicasPath", (".status.",)),
        ("labelSelectorPath", (".spec.", ".status.")),
    ):
        value, where = scale.get(name) or "", f"{path}.{name}"
        if not value:
            if name != "labelSelectorPath":
                errors.append(FieldError.required(where))
        elif not _SIMPLE_PATH.fullmatch(value):
            errors.append(FieldError.invalid(where, value, "should be a json path without array notation"))
        elif not value.startswith(prefixes):
            names = " or ".join(prefix.removesuffix(".") for prefix in prefixes)
            errors.append(FieldError.invalid(where, value, f"should be a json path under {names}"))
    return errors


def schema_errors(versions: Sequence[Mapping[str, Any]]) -> list[FieldError]:
    """Structure, patterns, defaults and rules of the schemas.

    The path of a schema is ``spec.validation`` when all versions have the same one, as the real server reports it.
    """
    schemas = [version["schema"]["openAPIV3Schema"] for version in versions]
    if all(schema == schemas[0] for schema in schemas):
        schemas = schemas[:1]
        paths = ["spec.validation.openAPIV3Schema"]
    else:
        paths = [f"spec.versions[{index}].schema.openAPIV3Schema" for index in range(len(schemas))]
    errors: list[FieldError] = []
    for path, schema in zip(paths, schemas, strict=True):
        found = structural_errors(schema, path)
        if not found:
            compile_rules(schema, found, path)
            _check_defaults(compile_schema(schema), path, found)
        errors += found
    return errors


def _check_defaults(node: Node, path: str, errors: list[FieldError]) -> None:
    if not node.defaults_below:
        return
    if node.default is not None:
        node.validate(node.default_value(), (None, f"{path}.default"), errors)
    for name, item in node.properties.items():
        _check_defaults(item, f"{path}.properties[{name}]", errors)
    for keyword, below in (("items", node.items), ("additionalProperties", node.additional)):
        if below is not None:
            _check_defaults(below, f"{path}.{keyword}", errors)


def _update_errors(crd: Object, old: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    spec, before = crd.get("spec") or {}, old.get("spec") or {}
    established = any(
        condition.get("type") == "Established" and condition.get("status") == "True"
        for condition in (old.get("status") or {}).get("conditions") or ()
    )
    fields = ["group", "names.plural"] + (["scope", "names.kind"] if established else [])
    for name in fields:
        value, previous = _at(spec, name), _at(before, name)
        if value != previous:
            errors.append(FieldError.invalid(f"spec.{name}", value, "field is immutable"))
    names = {version.get("name") for version in spec.get("versions") or ()}
    for index, stored in enumerate((crd.get("status") or {}).get("storedVersions") or ()):
        if stored not in names:
            detail = (
                f"missing from spec.versions; {stored} was previously a storage version, and must remain in "
                f"spec.versions until a storage migration ensures no data remains persisted in {stored} and removes "
                f"{stored} from status.storedVersions"
            )
            errors.append(FieldError.invalid(f"status.storedVersions[{index}]", stored, detail))
    return errors


def _at(value: Any, path: str) -> Any:
    for name in path.split("."):
        value = (value or {}).get(name)
    return value
