"""Progress by HTTP, turned on as users turn it on: by the component, under the operator's own ServiceAccount."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e import operating
from e2e.cluster import DEPLOY, EXAMPLES, OPERATOR_NAMESPACE, Cluster
from e2e.namespace import Namespace
from e2e.waiting import until
from kdl_runtime.codec import yaml

pytestmark = pytest.mark.real_pods

FOLDER = EXAMPLES / "progress"
NAME = "kdl-operator-progress"
HEADLESS = '[{"op": "add", "path": "/spec/clusterIP", "value": "None"}]'


@pytest.fixture
def turned_on(cluster: Cluster, tmp_path: Path) -> Iterator[None]:
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [os.path.relpath(DEPLOY, tmp_path)],
        "components": [os.path.relpath(DEPLOY / "progress", tmp_path)],
        # Nodes without Docker have no kube-proxy: the name of the service leads to the pods themselves.
        "patches": [{"target": {"kind": "Service", "name": NAME}, "patch": HEADLESS}],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.encode(kustomization))
    cluster.kubectl("apply", "-k", str(tmp_path))
    try:
        operating.wait_ready(cluster)
        yield
    finally:
        cluster.kubectl("apply", "-k", str(DEPLOY))
        made = [f"{kind}/{NAME}" for kind in ("service", "role", "rolebinding", "secret")]
        cluster.kubectl("delete", *made, f"--namespace={OPERATOR_NAMESPACE}")
        operating.wait_ready(cluster)


@pytest.mark.usefixtures("turned_on")
def test_a_training_reports_how_far_it_is(cluster: Cluster, namespace: Namespace) -> None:
    namespace.create_program("progress", **{"train.py": (FOLDER / "train.py").read_text()})
    manifest = yaml.decode((FOLDER / "job.yaml").read_text())
    [container] = manifest["spec"]["pytorchReplicaSpecs"]["Master"]["template"]["spec"]["containers"]
    container["env"] = [{"name": "EPOCHS", "value": "6"}]
    job = namespace.submit(manifest)
    job.until("Succeeded", seconds=120)
    # The last report is written some seconds after the end.
    progress = until("the last report", lambda: job.status().get("progress", {}), lambda found: found.get("step") == 6)
    assert (progress["total"], progress["percentage"]) == (6, 100)
    assert {metric["name"] for metric in progress["metrics"]} == {"loss", "slope"}
    assert operating.total(cluster, "rest_client_requests_total", code="403") == 0
