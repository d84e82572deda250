"""Taking over the jobs of another operator: what is there, and the steps that make room for this one."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kdl_cli.errors import CliError
from kdl_cli.installation import install
from kdl_cli.session import Session
from kdl_runtime.client.client import ListOptions, Patch, PatchType
from kdl_runtime.codec.meta import PartialObject
from kdl_runtime.errors import NotFound
from kdl_runtime.resources.registry import CRDS, DEPLOYMENTS, PODS, SERVICES
from kdl_runtime.types import ObjectKey, Resource
from kdl_workloads.dialects.registry import DIALECTS, dialect_for
from kdl_workloads.engine.observed import Workload
from kdl_workloads.engine.pod import Pod
from kdl_workloads.frameworks.registry import frameworks
from kdl_workloads.migration.peers import PEER_FINALIZERS, PeerOperator, calls_for, peer_operator, unserved_versions
from kdl_workloads.migration.prospect import Fate, Found, Prospect, prospect

WEBHOOKS = tuple(
    Resource("admissionregistration.k8s.io", "v1", kind, f"{kind.lower()}s", namespaced=False)
    for kind in ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
)
JOB_GROUPS = frozenset(dialect.group for dialect in DIALECTS)
STOP_SECONDS = 120.0
"""How long the pods of the other operator may take to end."""
LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Inventory:
    """What a take-over meets. ``webhooks``: configurations for kinds of job, by their resource. ``held``: pods with a
    finalizer that only the other operator takes off. ``obstacles``: what has to be done by hand first."""

    operators: Sequence[PeerOperator]
    webhooks: Sequence[tuple[Resource, str]]
    jobs: Sequence[Prospect]
    held: Sequence[Pod]
    obstacles: Sequence[str]

    @property
    def refused(self) -> list[Prospect]:
        return [job for job in self.jobs if job.fate is Fate.REFUSED]


async def take_inventory(session: Session, chosen: Collection[ObjectKey] = ()) -> Inventory:
    """Everything that the take-over depends on, read only. ``chosen``: Deployments that are operators although their
    image does not say so."""
    operators = [
        found for item in await _listed(session, DEPLOYMENTS) if (found := peer_operator(item, chosen)) is not None
    ]
    if missing := sorted(map(str, set(chosen) - {operator.key for operator in operators})):
        raise CliError(f"there is no Deployment {', '.join(missing)}: name the other operator as NAMESPACE/NAME")
    webhooks = [
        (resource, str(item["metadata"]["name"]))
        for resource in WEBHOOKS
        for item in await _listed(session, resource)
        if calls_for(item, JOB_GROUPS)
    ]
    served = {item.resource for item in await session.discovery.resources()}
    known = _workloads()
    workloads = [workload for workload in known if workload.resource in served]
    children = {dialect.api_version: await _children(session, dialect.job_selector()) for dialect in DIALECTS}
    jobs = [job for workload in workloads for job in await _prospects(session, workload, children)]
    pods = [pod for of_dialect in children.values() for pod in of_dialect[0]]
    held = [pod for pod in pods if PEER_FINALIZERS & set(pod.metadata.finalizers)]
    return Inventory(operators, webhooks, jobs, held, await _obstacles(session, known))


async def _listed(session: Session, resource: Resource) -> list[dict[str, Any]]:
    """All objects of a kind; none where the API server does not have it."""
    try:
        return await session.client.list(resource)
    except NotFound:
        return []


def _workloads() -> list[Workload]:
    return [
        Workload(framework, dialect_for(version))
        for framework in frameworks().values()
        for version in framework.stored_versions()
    ]


_Children = tuple[list[Pod], list[PartialObject]]


async def _children(session: Session, selector: str) -> _Children:
    options = ListOptions(label_selector=selector)
    pods = await session.client.list(PODS, "", options, as_=Pod)
    return pods, await session.client.list(SERVICES, "", options, as_=PartialObject)


async def _prospects(session: Session, workload: Workload, children: Mapping[str, _Children]) -> list[Prospect]:
    pods, services = children[workload.dialect.api_version]
    pods_of, services_of = _by_owner(pods), _by_owner(services)
    now = session.clock.now()
    return [
        prospect(workload, Found(obj, pods_of.get(uid, ()), services_of.get(uid, ())), now)
        for obj in await session.client.list(workload.resource)
        for uid in [obj["metadata"]["uid"]]
    ]


def _by_owner(children: Sequence[Any]) -> dict[str, list[Any]]:
    owned: dict[str, list[Any]] = {}
    for child in children:
        if (owner := child.metadata.controller) is not None:
            owned.setdefault(owner.uid, []).append(child)
    return owned


async def _obstacles(session: Session, workloads: Sequence[Workload]) -> list[str]:
    """Versions in which jobs may be stored and that this operator's CRDs do not have, and those in which they are
    served alone and that it does not read."""
    found = []
    for workload in sorted(workloads, key=lambda workload: (workload.resource.plural, workload.resource.group)):
        resource = workload.resource
        try:
            definition = await session.client.get(CRDS, ObjectKey("", f"{resource.plural}.{resource.group}"))
        except NotFound:
            continue
        ours = {version.rpartition("/")[2] for version in workload.framework.versions(resource.group)}
        served = {str(version["name"]) for version in definition["spec"]["versions"]}
        name = definition["metadata"]["name"]
        if unserved := unserved_versions(definition, ours):
            found.append(
                f"CRD {name}: objects may still be stored as {', '.join(unserved)}: write each of them once more "
                "and take the version out of status.storedVersions"
            )
        elif resource.version not in served:
            found.append(
                f"CRD {name}: jobs of {', '.join(sorted(served))} are seen once it has {resource.version} too: "
                "run `kdl crds --install` first, which changes none of them"
            )
    return found


@dataclass(frozen=True, slots=True)
class Steps:
    """The take-over itself. ``tell`` gets a line for each thing that was done. Every step can be taken again."""

    session: Session
    tell: Callable[[str], None]

    async def run(self, inventory: Inventory, crds: Sequence[Mapping[str, Any]]) -> None:
        """Stop the other operator, take away its webhooks and finalizers, and install the CRDs. No pod of a job is
        touched. CliError if the other operator does not stop."""
        for operator in inventory.operators:
            await self._stop(operator)
        for resource, name in inventory.webhooks:
            await self._delete(resource, name)
        for pod in inventory.held:
            await self._let_go(pod)
        for installed in await install(self.session, crds):
            self.tell(f"customresourcedefinition.apiextensions.k8s.io/{installed.name} {installed.change}")

    async def _stop(self, operator: PeerOperator) -> None:
        if operator.replicas:
            body = {"spec": {"replicas": 0}}
            await self.session.client.patch(DEPLOYMENTS, operator.key, Patch(PatchType.MERGE, body))
        name = f"deployment.apps/{operator.key.name} in {operator.key.namespace}"
        self.tell(f"{name} scaled to 0 (was {operator.replicas})")
        selector = ",".join(f"{label}={value}" for label, value in sorted(operator.selector.items()))
        options = ListOptions(label_selector=selector)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                while selector and await self.session.client.list(PODS, operator.key.namespace, options):
                    await self.session.clock.sleep(LOOK_SECONDS)
        except TimeoutError as error:
            raise CliError(
                f"{name} still has pods after {STOP_SECONDS:.0f} s: two operators on the same jobs would work against "
                "each other, so nothing else was done; end these pods and call the command again"
            ) from error

    async def _delete(self, resource: Resource, name: str) -> None:
        try:
            await self.session.client.delete(resource, ObjectKey("", name))
        except NotFound:
            return
        self.tell(f"{resource.kind.lower()}.{resource.group}/{name} deleted")

    async def _let_go(self, pod: Pod) -> None:
        """The finalizers as they were read are part of the patch, so that a change in between makes it fail."""
        kept = [name for name in pod.metadata.finalizers if name not in PEER_FINALIZERS]
        operations = [
            {"op": "test", "path": "/metadata/uid", "value": pod.uid},
            {"op": "test", "path": "/metadata/finalizers", "value": list(pod.metadata.finalizers)},
            {"op": "replace", "path": "/metadata/finalizers", "value": kept},
        ]
        try:
            await self.session.client.patch(PODS, pod.key, Patch(PatchType.JSON, operations))
        except NotFound:
            return
        self.tell(f"pod/{pod.name} in {pod.metadata.namespace}: finalizer of the other operator taken off")
