"""Webhook configurations that are made to call a test's own server."""

import random
from pathlib import Path
from typing import Any

import pytest

from kdl_local.apiserver.server import ApiServer
from kdl_runtime.client.client import Client
from kdl_runtime.clock import SystemClock
from kdl_runtime.codec import yaml
from kdl_runtime.resources.registry import CRDS
from kdl_runtime.types import ObjectKey
from kdl_runtime.webhook.bundles import VALIDATING
from kdl_testing.direct import DirectTransport
from kdl_testing.envtest.manifests import ManifestError
from kdl_testing.envtest.webhooks import WebhookEndpoint, install, load, redirected
from unit.kdl_runtime.webhook.trust import configuration_crd

ENDPOINT = WebhookEndpoint(9443, "::1", b"ca")


def configuration(*configs: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": VALIDATING.api_version,
        "kind": VALIDATING.kind,
        "metadata": {"name": "one"},
        "webhooks": [{"name": f"{number}.b.c", "clientConfig": config} for number, config in enumerate(configs)],
    }


def test_services_and_urls_become_the_endpoint_and_paths_stay() -> None:
    given = configuration(
        {"service": {"name": "a", "namespace": "b", "path": "/validate-x"}, "caBundle": "eA=="},
        {"service": {"name": "a", "namespace": "b"}},
        {"url": "https://example.com:1/some/path"},
    )
    before = yaml.encode(given)
    found = redirected(given, ENDPOINT)["webhooks"]
    assert [item["clientConfig"] for item in found] == [
        {"url": f"https://[::1]:9443{path}", "caBundle": "Y2E="} for path in ("/validate-x", "/", "/some/path")
    ]
    assert yaml.encode(given) == before


@pytest.mark.parametrize("config", [None, {"service": {"name": "a", "namespace": "b"}}])
def test_a_conversion_becomes_the_endpoint(config: Any) -> None:
    webhook = {"conversionReviewVersions": ["v1"], **({"clientConfig": config} if config else {})}
    crd = {"spec": {"conversion": {"strategy": "Webhook", "webhook": webhook}}}
    found = redirected(crd, WebhookEndpoint(1))["spec"]["conversion"]["webhook"]
    assert found == {"conversionReviewVersions": ["v1"], "clientConfig": {"url": "https://127.0.0.1:1/convert"}}


def test_other_objects_stay() -> None:
    other = {"kind": "CustomResourceDefinition", "spec": {"conversion": {"strategy": "None"}}}
    assert redirected(other, ENDPOINT) == other


def test_files_are_read_for_configurations(tmp_path: Path) -> None:
    manifest = tmp_path / "all.yaml"
    manifest.write_text(f"{yaml.encode(configuration({}))}\n---\nkind: ConfigMap\n---\n")
    assert load([tmp_path, configuration({})]) == [configuration({}), configuration({})]
    manifest.write_text("kind: ConfigMap")
    with pytest.raises(ManifestError, match=r"there is no MutatingWebhookConfiguration or ValidatingWeb.* in "):
        load([manifest])


async def test_what_is_there_is_replaced() -> None:
    clock = SystemClock()
    client = Client(DirectTransport(ApiServer(clock, random.Random(1))), clock)
    await client.create(CRDS, configuration_crd(VALIDATING.kind))
    for port in (1, 2):
        await install(client, [configuration({"service": {"path": "/x"}})], WebhookEndpoint(port))
    found = await client.get(VALIDATING, ObjectKey("", "one"))
    assert found["webhooks"][0]["clientConfig"] == {"url": "https://127.0.0.1:2/x"}
