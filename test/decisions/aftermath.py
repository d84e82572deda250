"""The world just after a plan has been carried out: what the operator's next look sees if nothing else has happened."""

from dataclasses import replace
from typing import Any

import msgspec

from kdl_runtime.codec.json import decoder, encode
from kdl_runtime.codec.meta import PartialObject
from kdl_runtime.codec.times import format_time
from kdl_workloads.engine.observed import Observed
from kdl_workloads.engine.plan import Delete, Plan
from kdl_workloads.engine.pod import OUTCOME_FINALIZER, STOP_DEADLINE, Pod


def carried_out(observed: Observed, plan: Plan) -> Observed:
    """Pods that were deleted are going, and not gone yet; those that were made wait for a node."""
    job, dialect = observed.job, observed.workload.dialect
    if plan.status is not None:
        stored = dialect.decode_status(dialect.encode_status(job, plan.status))
        job = replace(job, status=stored)
    deleted = {each.uid: each for each in plan.delete_pods}
    released = {pod.uid for pod in plan.release}
    stopped = {pod.uid for pod in plan.stop_pods}
    gone = {each.uid for each in plan.delete_services}
    pods = [_pod(observed, pod, deleted.get(pod.uid), pod.uid in released, pod.uid in stopped) for pod in observed.pods]
    made = [decoder(Pod)(encode(_stored(observed, pod))) for pod in plan.create_pods]
    services = [service for service in observed.services if service.metadata.uid not in gone]
    services += [_partial(observed, service) for service in plan.create_services]
    going = {each.uid for each in plan.delete_claims}
    claims = [_claim(observed, claim) if claim.metadata.uid in going else claim for claim in observed.claims]
    claims += [_partial(observed, claim) for claim in plan.create_claims]
    extras_at = observed.now if plan.extras else observed.extras_at
    return replace(
        observed,
        job=replace(job, deleting=job.deleting or plan.delete_job),
        pods=[*pods, *made],
        services=services,
        claims=claims,
        extras_at=extras_at,
    )


def _pod(observed: Observed, pod: Pod, delete: Delete | None, released: bool, stopped: bool) -> Pod:
    metadata, spec = pod.metadata, pod.spec
    if released:
        kept = tuple(name for name in metadata.finalizers if name != OUTCOME_FINALIZER)
        metadata = msgspec.structs.replace(metadata, finalizers=kept)
    if delete is not None:
        grace = delete.grace_period_seconds
        grace = (0 if pod.ended or not spec.node_name else 30) if grace is None else grace
        stamp = pod.killed_at or observed.now
        metadata = msgspec.structs.replace(
            metadata, deletion_timestamp=format_time(stamp), deletion_grace_period_seconds=grace
        )
    if stopped:
        spec = msgspec.structs.replace(spec, active_deadline_seconds=STOP_DEADLINE)
    return msgspec.structs.replace(pod, metadata=metadata, spec=spec)


def _claim(observed: Observed, claim: PartialObject) -> PartialObject:
    """Held until no pod uses it."""
    metadata = msgspec.structs.replace(claim.metadata, deletion_timestamp=format_time(observed.now))
    return msgspec.structs.replace(claim, metadata=metadata)


def _stored(observed: Observed, body: Any) -> dict[str, Any]:
    metadata = {
        **body["metadata"],
        "uid": f"new-{body['metadata']['name']}",
        "creationTimestamp": format_time(observed.now),
    }
    return {**body, "metadata": metadata}


def _partial(observed: Observed, body: Any) -> PartialObject:
    return decoder(PartialObject)(encode(_stored(observed, body)))
