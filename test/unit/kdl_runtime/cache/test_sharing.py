"""Equal texts of different objects are one object in memory."""

from typing import Any

from prometheus_client import CollectorRegistry, Counter

from kdl_runtime.cache.decode import ObjectDecoder
from kdl_runtime.cache.sharing import SharedTexts
from kdl_runtime.cache.spec import WatchSpec
from kdl_runtime.codec.json import decoder, encode
from kdl_runtime.codec.meta import PartialObject
from kdl_runtime.resources.registry import PODS


def pod(index: int) -> bytes:
    owner = {"apiVersion": "batch.example.com/v1", "kind": "Training", "name": "digits", "uid": "the-uid-of-it"}
    labels = {"job": "digits-of-a-job", "index": f"number-{index}"}
    metadata: dict[str, Any] = {"name": f"digits-{index}", "namespace": "team-of-us", "labels": labels}
    return encode({"metadata": {**metadata, "ownerReferences": [owner], "uid": f"uid-{index}"}})


def test_the_decoder_of_a_watch_shares_texts_between_its_objects() -> None:
    registry = CollectorRegistry()
    watch = ObjectDecoder(WatchSpec(PODS), Counter("undecodable", "Objects.", registry=registry))
    first, second = watch.decode(pod(1)), watch.decode(pod(2))
    assert first is not None
    assert second is not None
    one, other = first.obj.metadata, second.obj.metadata
    assert one.namespace is other.namespace
    assert one.labels["job"] is other.labels["job"]
    for name in ("api_version", "kind", "name", "uid"):
        assert getattr(one.owner_references[0], name) is getattr(other.owner_references[0], name)


def test_nothing_but_identity_changes() -> None:
    decode = decoder(PartialObject)
    untouched, shared = decode(pod(1)), decode(pod(1))
    texts = SharedTexts()
    texts.share(shared.metadata)
    assert shared == untouched
    assert len(texts) == len({"team-of-us", "digits-of-a-job", "number-1", "batch.example.com/v1", "Training"}) + 2


def test_what_is_remembered_is_bounded() -> None:
    texts, decode = SharedTexts(limit=10), decoder(PartialObject)
    for index in range(100):
        texts.share(decode(pod(index)).metadata)
        assert len(texts) < 10 + 7
