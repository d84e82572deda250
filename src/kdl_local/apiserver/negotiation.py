"""Which form of an answer a client accepts (https://kubernetes.io/docs/reference/using-api/api-concepts/)."""

from dataclasses import dataclass
from enum import StrEnum

from kdl_runtime.errors import NotAcceptable

_JSON_TYPES = frozenset({"application/json", "*/*"})
_YAML = "application/yaml"
_META_VERSIONS = {"Table": ("v1", "v1beta1"), "PartialObjectMetadata": ("v1",), "PartialObjectMetadataList": ("v1",)}


class Shape(StrEnum):
    """What is shown of objects: all of them, rows of a table, or their metadata."""

    OBJECT = "object"
    TABLE = "Table"
    METADATA = "PartialObjectMetadata"
    METADATA_LIST = "PartialObjectMetadataList"


@dataclass(frozen=True, slots=True)
class Form:
    shape: Shape = Shape.OBJECT
    yaml: bool = False


def negotiate(accept: str, *, stream: bool = False) -> Form:
    """The first form in the Accept header that can be given, the highest quality first; no header asks for JSON.

    Protobuf and CBOR are passed over. NotAcceptable if nothing is left. Watches (``stream``) are JSON only.
    """
    if not accept.strip():
        return Form()
    for media, parameters in _by_quality(accept):
        if media == _YAML and not stream:
            yaml = True
        elif media in _JSON_TYPES:
            yaml = False
        else:
            continue
        asked = parameters.get("as", "")
        if not asked:
            return Form(yaml=yaml)
        if parameters.get("g") == "meta.k8s.io" and parameters.get("v") in _META_VERSIONS.get(asked, ()):
            return Form(Shape(asked), yaml)
    accepted = "application/json" if stream else "application/json, application/yaml"
    raise NotAcceptable(f"only the following media types are accepted: {accepted}")


def _by_quality(accept: str) -> list[tuple[str, dict[str, str]]]:
    found = []
    for item in accept.split(","):
        media, *rest = (part.strip() for part in item.split(";"))
        parameters = dict(part.split("=", 1) for part in rest if "=" in part)
        found.append((media.lower(), parameters))
    return sorted(found, key=lambda choice: -_quality(choice[1]))


def _quality(parameters: dict[str, str]) -> float:
    try:
        return float(parameters.get("q", "1"))
    except ValueError:
        return 0.0
