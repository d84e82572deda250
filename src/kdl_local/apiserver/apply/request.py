"""What a request says about ownership: who writes, and in an apply, what."""

import unicodedata
from collections.abc import Callable

import yaml as yaml_nodes

from kdl_local.apiserver.fields import FieldError
from kdl_local.apiserver.request import Request
from kdl_local.apiserver.types import Object
from kdl_runtime.codec import yaml
from kdl_runtime.codec.json import DecodeError, decode, repeated_keys
from kdl_runtime.errors import BadRequest

APPLY = "application/apply-patch+yaml"
MANAGER_MAX_BYTES = 128
_STRICT = "error converting YAML to JSON: yaml: unmarshal errors:\n"


def manager_of(request: Request) -> str:
    """The ``fieldManager`` of a request, or else the name of the program in its ``User-Agent``."""
    given = request.param("fieldManager")
    if given:
        return given
    name, size = "", 0
    for letter in filter(str.isprintable, request.header("user-agent").partition("/")[0]):
        size += len(letter.encode())
        if size > MANAGER_MAX_BYTES:
            break
        name += letter
    return name


def manager_errors(request: Request, *, applies: bool) -> list[FieldError]:
    """What is wrong with ``fieldManager`` and ``force``."""
    manager, errors = request.param("fieldManager"), []
    if applies and not manager:
        errors.append(FieldError.required("fieldManager", "is required for apply patch"))
    if not applies and "force" in request.query:
        errors.append(FieldError.forbidden("force", "may not be specified for non-apply patch"))
    return errors + name_errors(manager, "fieldManager")


def name_errors(manager: str, path: str) -> list[FieldError]:
    """What is wrong with the name of a manager."""
    errors = []
    if len(manager.encode()) > MANAGER_MAX_BYTES:
        errors.append(FieldError.too_long(path, MANAGER_MAX_BYTES))
    for position, letter in enumerate("" if manager.isprintable() else manager):
        if not letter.isprintable():
            detail = f"invalid character {_go_rune(letter)} (at position {position})"
            errors.append(FieldError.invalid(path, manager, detail))
    return errors


def _go_rune(letter: str) -> str:
    shown = f" '{letter}'" if unicodedata.category(letter)[0] != "C" else ""
    return f"U+{ord(letter):04X}{shown}"


def read_config(body: bytes, validation: str, warn: Callable[[str], None]) -> Object:
    """The applied object, from JSON or YAML. BadRequest for anything else, and where ``validation`` is ``Strict`` for a
    key that is given twice; ``Warn`` warns of those.
    """
    try:
        try:
            config = decode(body)
        except DecodeError:
            config = yaml.decode(body)
        found = _duplicates(body) if validation != "Ignore" else []
    except (yaml.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"error decoding YAML: {error}") from None
    if config is None:
        config = {}
    if not isinstance(config, dict):
        raise BadRequest("error decoding YAML: the applied object must be an object")
    if found and validation == "Strict":
        raise BadRequest("error strict decoding YAML: " + _STRICT + "\n".join(found))
    for text in found:
        warn(text.strip())
    return config


def _duplicates(body: bytes) -> list[str]:
    """What is said of keys that come twice in one object."""
    try:
        return [f'  key "{key}" already set in map' for key in repeated_keys(body)]
    except DecodeError:
        found: list[str] = []
        _find_duplicates(yaml_nodes.compose(body, yaml_nodes.CSafeLoader), found)
        return found


def _find_duplicates(node: yaml_nodes.Node | None, found: list[str]) -> None:
    if isinstance(node, yaml_nodes.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                found.append(f'  line {key.start_mark.line + 1}: key "{key.value}" already set in map')
            seen.add(key.value)
            _find_duplicates(value, found)
    elif isinstance(node, yaml_nodes.SequenceNode):
        for item in node.value:
            _find_duplicates(item, found)
