"""Conversion of custom resources between their versions. Knows nothing of HTTP.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from kdl_runtime.codec.json import DecodeError, decode
from kdl_runtime.codec.patch import copy_json
from kdl_runtime.errors import BadRequest, KdlError
from kdl_runtime.types import parse_api_version
from kdl_runtime.webhook.admission import Object, called

log = structlog.get_logger(__name__)

GROUP = "apiextensions.k8s.io"
KIND = "ConversionReview"
VERSIONS = ("v1", "v1beta1")

TURN = 50
"""Objects that are converted before others get the event loop."""

Convert = Callable[[Object], Object | Awaitable[Object]]
"""One object, its own to change, as another version. Of its metadata only ``labels`` and ``annotations`` count, if they
are there: the rest stays as it was, and so do apiVersion and kind as they have to be."""

Converter = Callable[[Object, str], Object | Awaitable[Object]]
"""The object as the version that is named (``v2``, without the group)."""


class ConversionError(KdlError):
    """An object cannot be converted; the message goes to whoever asked for it."""


@dataclass(frozen=True, slots=True)
class Spoke:
    """A version and the way to the hub and back."""

    to_hub: Convert
    from_hub: Convert


class HubAndSpokes:
    """A Converter that goes by one version, the hub: n versions take n ways and not n times n.

    What one version cannot express must be kept in an annotation, or it is lost on the way there and back.
    """

    def __init__(self, hub: str, spokes: Mapping[str, Spoke]) -> None:
        if hub in spokes:
            raise ValueError(f"{hub} is the hub: it needs no spoke")
        self.hub = hub
        self._spokes = dict(spokes)

    async def __call__(self, obj: Object, version: str) -> Object:
        _, source = parse_api_version(str(obj.get("apiVersion")))
        if source != self.hub:
            obj = await called(self._spoke(source).to_hub(obj))
        if version != self.hub:
            obj = await called(self._spoke(version).from_hub(obj))
        return obj

    def _spoke(self, version: str) -> Spoke:
        try:
            return self._spokes[version]
        except KeyError:
            known = ", ".join(sorted([self.hub, *self._spokes]))
            raise ConversionError(f"there is no conversion for the version {version}: there is {known}") from None


async def review(
    body: bytes,
    converters: Mapping[tuple[str, str], Converter],
    on_fault: Callable[[], None] = lambda: None,
) -> Object:
    """The ConversionReview that answers one; ``converters`` are by group and kind.

    All objects or none: the first that cannot be converted makes the whole answer a failure. ``on_fault`` is called
    for each failure that is neither a ConversionError nor a ValueError. BadRequest for a body that is no review.
    """
    version, request = _request_of(body)
    uid = str(request.get("uid") or "")
    try:
        objects = [obj async for obj in _converted(request, converters)]
    except Exception as error:
        message = str(error)
        if not isinstance(error, ConversionError | ValueError):
            on_fault()
            log.exception("conversion failed")
            message = f"the webhook has failed: {type(error).__name__}: {error}"
        result = {"status": "Failure", "message": message}
        return _envelope(version, {"uid": uid, "convertedObjects": [], "result": result})
    return _envelope(version, {"uid": uid, "convertedObjects": objects, "result": {"status": "Success"}})


async def _converted(
    request: Mapping[str, Any], converters: Mapping[tuple[str, str], Converter]
) -> AsyncIterator[Object]:
    wanted = str(request.get("desiredAPIVersion") or "")
    if not wanted:
        raise ConversionError("the request names no desiredAPIVersion")
    for number, obj in enumerate(request.get("objects") or ()):
        if number % TURN == TURN - 1:
            await asyncio.sleep(0)
        yield await _convert(obj, wanted, converters)


async def _convert(obj: Object, wanted: str, converters: Mapping[tuple[str, str], Converter]) -> Object:
    if not isinstance(obj, dict):
        raise ConversionError("what is to be converted is no object")
    source = str(obj.get("apiVersion"))
    if source == wanted:
        return obj
    (group, _), (wanted_group, version) = parse_api_version(source), parse_api_version(wanted)
    kind = str(obj.get("kind"))
    converter = converters.get((group, kind)) if group == wanted_group else None
    if converter is None:
        raise ConversionError(f"there is no conversion from {kind} of {source} to {wanted}")
    try:
        result = await called(converter(copy_json(obj), version))
    except (ConversionError, ValueError) as error:
        name = (obj.get("metadata") or {}).get("name", "")
        raise ConversionError(f"{kind} {name} cannot be converted from {source} to {wanted}: {error}") from error
    return {**result, "apiVersion": wanted, "kind": kind, "metadata": _metadata(obj, result)}


def _metadata(obj: Object, result: Object) -> Object:
    """The API server lets a conversion change labels and annotations, and nothing else."""
    metadata = copy_json(obj.get("metadata") or {})
    changed = result.get("metadata")
    if isinstance(changed, dict):
        for name in ("labels", "annotations"):
            if name in changed:
                metadata[name] = changed[name]
    return dict(metadata)


def _request_of(body: bytes) -> tuple[str, Mapping[str, Any]]:
    try:
        document = decode(body)
    except DecodeError as error:
        raise BadRequest(f"the body is no JSON: {error}") from error
    if not isinstance(document, dict) or document.get("kind") != KIND:
        raise BadRequest(f"the body must be a {KIND} of {GROUP}")
    group, version = parse_api_version(str(document.get("apiVersion")))
    if group != GROUP or version not in VERSIONS:
        raise BadRequest(f"{document.get('apiVersion')} is no version of {GROUP} that is known here: {VERSIONS}")
    request = document.get("request")
    if not isinstance(request, dict):
        raise BadRequest(f"the {KIND} has no request")
    return version, request


def _envelope(version: str, response: Object) -> Object:
    return {"apiVersion": f"{GROUP}/{version}", "kind": KIND, "response": response}
