"""The operator's rights: enough for all that it does, and no more."""

import asyncio
import random
from functools import partial
from typing import Any

import pytest

from kdl_local.apiserver.request import make_request
from kdl_runtime.client.client import Client
from kdl_runtime.clock import LoopClock
from kdl_runtime.leader.elector import LeaderElector
from kdl_runtime.leader.lease import ElectionOptions
from kdl_runtime.resources.registry import NAMESPACES, NODES, PERSISTENT_VOLUME_CLAIMS, PODS, SERVICES
from kdl_runtime.types import Resource
from kdl_testing.direct import DirectTransport
from kdl_workloads.framework import KUBEDL, WORKER, Framework
from kdl_workloads.frameworks.registry import BUILT_IN
from kdl_workloads.operator import OperatorOptions, build
from unit.deploy.manifests import DEPLOY, GROUP, Object, built, rules
from unit.deploy.rbac import Access, Gate, access_of, allowed, granted
from unit.kdl_workloads.operator.cluster import (
    NAMESPACE,
    PYTORCH_JOBS,
    START,
    Cluster,
    Operator,
    on_virtual_time,
    pytorch_job,
)

pytestmark = GROUP

KINDS = [(framework, version) for framework in BUILT_IN for version in framework.conventions]
RESOURCES = [framework.resource(version) for framework in BUILT_IN for version in framework.stored_versions()]

UNSEEN = {
    *(("update", resource.group, f"{resource.plural}/finalizers") for resource in RESOURCES),
    ("bind", "rbac.authorization.k8s.io", "clusterroles"),
}
"""What no request asks for: an admission plugin that asks whether the one who sets an owner may keep it from going
(https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#ownerreferencespermissionenforcement),
and RBAC whether the one who gives a role away has all that it allows, or this."""


CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}
CLAIMS = {
    "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {}}],
    "persistentVolumeClaimRetentionPolicy": {"whenFinished": "Delete"},
}


def of_operator() -> list[Object]:
    return rules(built(DEPLOY), "ClusterRole", "kdl-operator")


def on_leases() -> list[Object]:
    return rules(built(DEPLOY), "Role", "kdl-operator")


def job(framework: Framework, version: str, **policy: Any) -> dict[str, Any]:
    """One replica of each role that the kind has to have, in its own name."""
    conventions = framework.conventions[version]
    template = {"spec": {"containers": [{"name": conventions.container, "image": "train:1"}]}}
    wanted = conventions.required or {WORKER}
    options = conventions.model.model_json_schema()["$defs"][f"{framework.kind}Spec"]["properties"]
    if "webHost" in options:
        wanted = {*wanted, "WebService"}
        policy = {**policy, "webHost": "example.org"}
    # The options for which the operator makes objects of other kinds.
    elastic: dict[str, Any] = (
        {"elasticPolicy": {"maxReplicas": 2, "metrics": [CPU]}} if "elasticPolicy" in options else {}
    )
    if "slotsPerWorker" in options:
        # Without a worker there would be no line for it in the host file.
        wanted, elastic = {*wanted, WORKER}, {"slotsPerWorker": 1}
    specs = {role: {"replicas": 1, "template": template, **CLAIMS} for role in wanted}
    spec = policy if version == KUBEDL else {"runPolicy": policy}
    name = f"{framework.singular}-{version.replace('/', '-').replace('.', '-')}"
    return {
        "apiVersion": version,
        "kind": framework.kind,
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {framework.replica_specs_field: specs, **spec, **elastic},
    }


def gated(*served: Resource) -> tuple[Cluster, Gate]:
    cluster = Cluster(*served)
    gate = Gate(cluster.gateway.handle, of_operator())
    cluster.gateway.handle = gate.handle
    return cluster, gate


async def life_of_every_kind(cluster: Cluster, operator: Operator) -> None:
    """From the beginning over a pod that is replaced to the time to live."""
    for framework, version in KINDS:
        wanted = job(framework, version, cleanPodPolicy="All", ttlSecondsAfterFinished=10)
        cluster.direct.create(framework.resource(version), wanted)
    await operator.until(lambda: len(cluster.pods()) >= len(KINDS))
    for resource in RESOURCES:
        for found in cluster.direct.list(resource):
            changes = {"webHost": "other.example.org", "elasticPolicy": {"maxReplicas": 3}, "slotsPerWorker": 2}
            for option in changes.keys() & found["spec"].keys():
                other = {"spec": {option: changes[option]}}
                cluster.direct.patch(resource, NAMESPACE, found["metadata"]["name"], other)
    cluster.run_all()
    await operator.settle()
    for name in cluster.pods():
        cluster.end(name)
    await operator.until(lambda: not any(cluster.direct.list(resource) for resource in RESOURCES))
    for name in cluster.pods():
        cluster.kill(name)


async def a_job_in_trouble(cluster: Cluster, operator: Operator) -> None:
    """Its names are taken, a node is lost, a pod fails, and it is deleted while it runs."""
    stranger = {"metadata": {"name": "job-worker-0", "namespace": NAMESPACE}}
    container = {"name": "a", "image": "b"}
    cluster.direct.create(PODS, {**stranger, "spec": {"containers": [container]}})
    cluster.direct.create(SERVICES, {**stranger, "spec": {"clusterIP": "None"}})
    cluster.direct.create(NODES, {"metadata": {"name": "node-1"}})
    claimed = {"metadata": {"name": "data-job-worker-0", "namespace": NAMESPACE}, "spec": {}}
    cluster.direct.create(PERSISTENT_VOLUME_CLAIMS, claimed)
    wanted = pytorch_job(policy="ExitCode", cleanPodPolicy="None")
    wanted["spec"]["pytorchReplicaSpecs"]["Worker"] |= CLAIMS
    cluster.direct.create(PYTORCH_JOBS, wanted)
    for resource in (SERVICES, PODS):
        await asyncio.sleep(120)
        cluster.direct.delete(resource, NAMESPACE, "job-worker-0", grace_period_seconds=0)
    await operator.until(lambda: len(cluster.pods()) == 3, seconds=600)
    cluster.run_all()
    await operator.settle()
    cluster.end("job-worker-1", 137)
    await operator.settle()
    cluster.run_all()
    cluster.direct.delete(PODS, NAMESPACE, "job-worker-0", grace_period_seconds=5)
    await asyncio.sleep(200)
    cluster.direct.delete(PYTORCH_JOBS, NAMESPACE, "job", propagation="Background")
    await operator.settle()


@on_virtual_time
async def test_every_right_is_there_and_every_right_is_used() -> None:
    cluster, gate = gated(*RESOURCES)
    async with cluster.operator() as operator:
        await life_of_every_kind(cluster, operator)
        await a_job_in_trouble(cluster, operator)
        # An event that comes again is counted in the one that is there.
        await asyncio.sleep(600)
    gate.streams_lists = False
    async with cluster.operator():
        pass
    assert gate.refused == set()
    asked = {access.right for access in gate.asked}
    # What one kind needs in trouble, all do.
    kind = PYTORCH_JOBS
    if ("get", kind.group, kind.plural) in asked:
        asked |= {("get", resource.group, resource.plural) for resource in RESOURCES}
    assert granted(of_operator()) - asked == UNSEEN


@on_virtual_time
async def test_one_namespace_is_enough_for_an_operator_of_one_namespace() -> None:
    cluster, gate = gated(PYTORCH_JOBS)
    running = Operator(cluster, build_controllers=False)
    build(running.manager, OperatorOptions(namespaces=(NAMESPACE,), late_kinds=False), cluster.served)
    task = asyncio.create_task(running.manager.start())
    await running.manager.wait_started()
    await running.run_job()
    running.manager.stop()
    await task
    assert {access.namespace for access in gate.asked} == {NAMESPACE}


@on_virtual_time
async def test_the_lease() -> None:
    """Two candidates: one leads, the other watches it, and takes over."""
    cluster = Cluster()
    gate = Gate(cluster.server.handle, on_leases())
    cluster.direct.create(NAMESPACES, {"metadata": {"name": "kdl-system"}})
    clock = LoopClock(START)
    leaders: list[str] = []
    candidates = []
    for name in ("first", "second"):
        options = ElectionOptions("kdl-system", "kdl-operator", name)
        elector = LeaderElector(Client(DirectTransport(gate), clock), options, clock, random.Random(name))
        elector.start(partial(leaders.append, name), lambda _why: None)
        candidates.append(elector)
        await asyncio.sleep(30)
    for elector in candidates:
        await elector.stop(release=True)
        await asyncio.sleep(30)
    assert leaders == ["first", "second"]
    assert gate.refused == set()
    assert {access.right for access in gate.asked} == granted(on_leases())


@pytest.mark.parametrize(
    ("access", "expected"),
    [
        (Access("get", "coordination.k8s.io", "leases", "kdl-system", "kdl-operator"), True),
        (Access("get", "coordination.k8s.io", "leases", "kdl-system", "another"), False),
        (Access("list", "coordination.k8s.io", "leases", "kdl-system"), False),
        (Access("delete", "coordination.k8s.io", "leases", "kdl-system", "kdl-operator"), False),
    ],
)
def test_no_other_lease(access: Access, expected: bool) -> None:
    assert allowed(access, on_leases()) is expected


@pytest.mark.parametrize("directory", [DEPLOY, DEPLOY / "namespaced"], ids=lambda path: path.name)
def test_no_rule_has_a_wildcard(directory: Any) -> None:
    found = [item for item in built(directory) if item["kind"] in ("Role", "ClusterRole")]
    assert len(found) > 3
    for item in found:
        for rule in item["rules"]:
            assert "*" not in str(rule), (item["metadata"]["name"], rule)
            assert rule["verbs"] and rule["resources"]


ENTRANCES = {"serviceaccounts/token", "pods/exec", "pods/attach", "nodes/proxy"}


def test_no_right_lets_it_read_secrets_or_enter_pods() -> None:
    assert {resource for _, _, resource in granted(of_operator())}.isdisjoint(ENTRANCES)
    assert {verb for verb, _, resource in granted(of_operator()) if resource == "secrets"} == {"create"}
    assert {verb for verb, _, _ in granted(of_operator())}.isdisjoint({"escalate", "impersonate", "deletecollection"})


def test_it_gives_away_one_role_and_no_other() -> None:
    """And that one lets an agent into pods, and see nothing else."""
    assert [rule["resourceNames"] for rule in of_operator() if "bind" in rule["verbs"]] == [["kdl-mpi-launcher"]]
    given = {(verb, resource) for verb, _, resource in granted(rules(built(DEPLOY), "ClusterRole", "kdl-mpi-launcher"))}
    assert given == {("get", "pods"), ("get", "pods/exec"), ("create", "pods/exec")}


@pytest.mark.parametrize(("framework", "version"), KINDS, ids=lambda item: getattr(item, "kind", item))
def test_users_may_do_with_jobs_what_they_may_do_with_pods(framework: Framework, version: str) -> None:
    resource = framework.resource(version)
    view, edit = (granted(rules(built(DEPLOY), "ClusterRole", f"kdl-jobs-{name}")) for name in ("view", "edit"))
    readings = {(verb, resource.group, resource.plural) for verb in ("get", "list", "watch")}
    writings = {(verb, resource.group, resource.plural) for verb in ("create", "update", "patch", "delete")}
    assert readings <= view
    assert readings | writings <= edit
    assert not writings & view
    scaled = {("patch", resource.group, f"{resource.plural}/scale")} <= edit
    assert scaled == bool(framework.conventions[version].scale_role)
    assert not any(name.endswith(("/status", "/finalizers")) for _, _, name in edit)


@pytest.mark.parametrize(
    ("method", "url", "expected"),
    [
        ("GET", "/api/v1/pods", Access("list", "", "pods")),
        ("GET", "/api/v1/pods?watch=1", Access("watch", "", "pods")),
        ("GET", "/api/v1/namespaces/a/pods/b", Access("get", "", "pods", "a", "b")),
        ("PATCH", "/apis/g.io/v1/namespaces/a/jobs/b/status", Access("patch", "g.io", "jobs/status", "a", "b")),
        ("POST", "/api/v1/namespaces", Access("create", "", "namespaces")),
        ("GET", "/api/v1/namespaces/a", Access("get", "", "namespaces", "", "a")),
        ("DELETE", "/api/v1/namespaces/a/pods", Access("deletecollection", "", "pods", "a")),
        (
            "GET",
            "/api/v1/namespaces/a/pods?watch=true&fieldSelector=metadata.name%3Db",
            Access("watch", "", "pods", "a", "b"),
        ),
        ("GET", "/apis", None),
        ("GET", "/apis/kubeflow.org/v1", None),
    ],
)
def test_what_a_request_asks_for(method: str, url: str, expected: Access | None) -> None:
    assert access_of(make_request(method, url)) == expected
