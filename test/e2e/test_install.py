"""The operator as its users install it: rights, readiness, applying again, new versions of the CRDs."""

import copy
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from e2e import operating
from e2e.cluster import CRDS, DEPLOY, OPERATOR, OPERATOR_NAMESPACE, Cluster
from e2e.manifests import KINDS, XGBOOST, XGBOOST_KUBEFLOW, Replicas, job
from e2e.namespace import Namespace
from e2e.programs import UNTIL_TOLD, Program
from e2e.waiting import gone, until
from kdl_runtime.codec import yaml

ACCOUNT = f"system:serviceaccount:{OPERATOR_NAMESPACE}:{OPERATOR}"


def rights(cluster: Cluster, namespace: str) -> list[list[str]]:
    """Resource, resource names and verbs of each line of ``auth can-i --list``, without the URLs that everybody who
    is logged in may read."""
    listed = cluster.kubectl("auth", "can-i", "--list", f"--as={ACCOUNT}", f"--namespace={namespace}", "--no-headers")
    lines = [line for line in listed.splitlines() if line.strip() and not line.startswith(" ")]
    assert lines, listed
    return [line.replace("[", "").replace("]", "").split() for line in lines]


@pytest.mark.parametrize("namespace", ["default", "kube-system", OPERATOR_NAMESPACE])
def test_no_right_is_a_wildcard(cluster: Cluster, namespace: str) -> None:
    found = rights(cluster, namespace)
    assert any("xgboostjobs.training.kubedl.io" in line[0] for line in found), found
    assert [line for line in found if any("*" in word for word in line)] == []


@pytest.mark.parametrize(
    "question",
    [
        ("get", "secrets"),
        ("create", "pods", "--subresource=exec"),
        ("delete", "nodes"),
        ("create", "clusterrolebindings.rbac.authorization.k8s.io"),
        ("impersonate", "users"),
        ("create", "serviceaccounts", "--subresource=token"),
        ("patch", "customresourcedefinitions.apiextensions.k8s.io"),
    ],
    ids="-".join,
)
def test_what_it_may_not_do(cluster: Cluster, question: Sequence[str]) -> None:
    answer = cluster.try_kubectl("auth", "can-i", *question, f"--as={ACCOUNT}", "--all-namespaces")
    assert answer.stdout.strip() == "no", answer.stdout + answer.stderr


def test_it_is_ready(cluster: Cluster) -> None:
    operating.wait_ready(cluster)
    for kind in KINDS:
        dialect = "kubedl" if "kubedl" in kind.api_version else "kubeflow"
        controller = f"{kind.name.lower()}-{dialect}"
        assert operating.total(cluster, "controller_runtime_max_concurrent_reconciles", controller=controller) >= 1


def test_it_has_every_right_that_it_needs(cluster: Cluster, namespace: Namespace) -> None:
    """A job with a replaced pod, that is cleaned up and then goes by itself: no request of the operator is refused."""
    refused = operating.total(cluster, "rest_client_requests_total", code="403")
    for number, kind in enumerate((XGBOOST, XGBOOST_KUBEFLOW)):
        roles = {"Master": Replicas(program=UNTIL_TOLD, restart_policy="ExitCode"), "Worker": Replicas(1, UNTIL_TOLD)}
        running = namespace.submit(job(kind, f"all-{number}", roles, cleanPodPolicy="All", ttlSecondsAfterFinished=2))
        master = f"all-{number}-master-0"
        namespace.until_pod(master)
        namespace.end(master, 137)
        until("another pod", partial(namespace.history.uids, master), lambda uids: len(uids) == 2)
        namespace.until_pod(master)
        namespace.end(master)
        running.until_gone()
        gone("the pods", running.pods)
    assert operating.total(cluster, "rest_client_requests_total", code="403") == refused


@pytest.mark.real_pods
def test_its_pod_is_confined(cluster: Cluster) -> None:
    pods = operating.pods(cluster)
    assert pods
    for pod in pods:
        assert pod["spec"]["serviceAccountName"] == OPERATOR
        [container] = pod["spec"]["containers"]
        context = {**pod["spec"].get("securityContext", {}), **container.get("securityContext", {})}
        assert context["runAsNonRoot"]
        assert context["readOnlyRootFilesystem"]
        assert not context["allowPrivilegeEscalation"]
        assert context["capabilities"]["drop"] == ["ALL"]
        assert {"livenessProbe", "readinessProbe"} <= container.keys()
        assert container["resources"]["requests"].keys() >= {"cpu", "memory"}
        assert all(status["restartCount"] == 0 for status in pod["status"]["containerStatuses"])


def test_applied_again_nothing_changes(cluster: Cluster) -> None:
    before = operating.incarnation(cluster)
    lines = cluster.kubectl("apply", "-k", str(DEPLOY)).splitlines()
    assert len(lines) >= len(KINDS) + 5
    assert [line for line in lines if not line.endswith(" unchanged")] == []
    assert operating.incarnation(cluster) == before


def newer(path: Path) -> dict[str, object]:
    """The CRD with another optional field in its spec and another description, as a next version may have it."""
    crd = copy.deepcopy(yaml.decode(path.read_text()))
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["description"] = "A job of a later version."
    schema["properties"]["spec"]["properties"]["addedLater"] = {"type": "string", "maxLength": 63}
    return dict(crd)


def test_crds_are_upgraded_and_taken_back_while_jobs_run(cluster: Cluster, namespace: Namespace) -> None:
    """A newer operator's CRDs come and go: jobs that run go on, and jobs that are stored stay as they are."""
    stored = namespace.submit(job(XGBOOST, "stored", {"Master": Replicas(program=Program(seconds=0))}))
    stored.until("Succeeded")
    running = [
        namespace.submit(job(kind, f"running-{number}", {"Master": Replicas(program=UNTIL_TOLD)}))
        for number, kind in enumerate((XGBOOST, XGBOOST_KUBEFLOW))
    ]
    for each in running:
        namespace.until_pod(f"{each.name}-master-0")
        each.until("Running")
    before = stored.object()
    operator = operating.incarnation(cluster)
    definitions = [newer(CRDS / f"{kind.resource.plural}.{kind.resource.group}.yaml") for kind in KINDS]
    cluster.kubectl("apply", "-f", "-", stdin={"apiVersion": "v1", "kind": "List", "items": definitions})
    until_served(cluster, expected=True)
    running[0].patch({"spec": {"addedLater": "kept"}})
    cluster.kubectl("apply", "-k", str(DEPLOY))
    until_served(cluster, expected=False)
    late = namespace.submit(job(XGBOOST_KUBEFLOW, "late", {"Master": Replicas(program=Program(seconds=0))}))
    late.until("Succeeded")
    for each in running:
        namespace.end(f"{each.name}-master-0")
        each.until("Succeeded")
        assert len(namespace.history.uids(f"{each.name}-master-0")) == 1
    assert stored.object() == before
    assert operating.incarnation(cluster) == operator


def until_served(cluster: Cluster, *, expected: bool) -> None:
    """Waits until the API server's schema has the added field, or no longer has it."""

    def served() -> bool:
        return '"addedLater"' in cluster.kubectl("get", "--raw", f"/openapi/v3/apis/{XGBOOST.api_version}")

    until(f"a schema {'with' if expected else 'without'} the added field", served, lambda found: found is expected)
