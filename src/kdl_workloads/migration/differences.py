"""What the same job does otherwise in another API group: what a person who converts it should know."""

from collections.abc import Iterable, Iterator

from kdl_workloads.dialects.registry import dialect_for
from kdl_workloads.framework import Framework
from kdl_workloads.job import Job, RestartPolicy
from kdl_workloads.migration.conversion import Conversion, remaining_differences

KUBEDL_ANNOTATIONS = "kubedl.io/"
_CODES = range(1, 256)
_SHOWN = 2
"""Replicas of each role whose environment is compared: the first, which may be special, and one of the others."""


def differences(conversion: Conversion, framework: Framework) -> list[str]:
    """One sentence each, the most serious first: fields that are gone, then defaults, environment, order and labels
    that programs and people may rely on."""
    return [
        *(f"{path} does not exist in {conversion.after.api_version} and is left out" for path in conversion.lost),
        *(f"{path} cannot be said in {conversion.after.api_version}" for path in remaining_differences(conversion)),
        *_exit_codes(conversion.before, conversion.after),
        *_environment(conversion, framework),
        *_order(conversion, framework),
        *_annotations(conversion.before),
        *_labels(conversion),
    ]


def _exit_codes(before: Job, after: Job) -> Iterator[str]:
    roles = [role for role, spec in after.roles.items() if spec.restart_policy is RestartPolicy.EXIT_CODE]
    old, new = dialect_for(before.api_version), dialect_for(after.api_version)
    changed = [code for code in _CODES if old.retryable(code) != new.retryable(code)]
    if roles and changed:
        names = ", ".join(roles)
        restarted = _ranges(code for code in changed if new.retryable(code))
        failing = _ranges(code for code in changed if not new.retryable(code))
        parts = [f"{restarted} restart a pod and did not"] if restarted else []
        parts += [f"{failing} fail the job and did not"] if failing else []
        yield f"exit codes of {names} (restartPolicy ExitCode): {'; '.join(parts)}"


def _ranges(codes: Iterable[int]) -> str:
    """``128-129, 131``."""
    spans: list[list[int]] = []
    for code in codes:
        if spans and spans[-1][-1] == code - 1:
            spans[-1][1:] = [code]
        else:
            spans.append([code])
    return ", ".join("-".join(map(str, span)) for span in spans)


def _environment(conversion: Conversion, framework: Framework) -> Iterator[str]:
    for role, spec in conversion.before.roles.items():
        if role not in conversion.after.roles:
            continue
        for index in range(min(spec.replicas, _SHOWN)):
            old = _variables(framework, conversion.before, role, index)
            new = _variables(framework, conversion.after, role, index)
            changed = [
                f"{name}={new[name]} (was {old[name]})" if name in old else f"{name}={new[name]} (is new)"
                for name in new
                if old.get(name) != new[name]
            ]
            changed += [f"{name} (is gone)" for name in old if name not in new]
            if changed:
                yield f"environment of {role.lower()}-{index}: {', '.join(changed)}"


def _variables(framework: Framework, job: Job, role: str, index: int) -> dict[str, str]:
    """Plain variables, and for one that is taken from somewhere a word that stands for it."""
    return {str(var["name"]): str(var.get("value", "<from>")) for var in framework.cluster_env(job, role, index)}


def _order(conversion: Conversion, framework: Framework) -> Iterator[str]:
    for role in conversion.after.roles:
        if role not in conversion.before.roles:
            continue
        old = framework.waits_for(conversion.before, role)
        new = framework.waits_for(conversion.after, role)
        for upstream in old.keys() - new.keys():
            yield (
                f"{role} no longer waits until {upstream} is {old[upstream]}: "
                f"dependsOn [{{upstream: {upstream}, onPhase: {old[upstream]}}}] says so here"
            )
        for upstream in new.keys() - old.keys():
            yield f"{role} waits until {upstream} is {new[upstream]}: dependsOn [] takes that away"


def _annotations(job: Job) -> Iterator[str]:
    for name in sorted(job.annotations):
        if name.startswith(KUBEDL_ANNOTATIONS):
            yield f"annotation {name} is kept: it is KubeDL's, and other operators do not read it"


def _labels(conversion: Conversion) -> Iterator[str]:
    old, new = (dialect_for(job.api_version).job_labels(job) for job in (conversion.before, conversion.after))
    if old != new:
        named = [",".join(f"{name}={value}" for name, value in labels.items()) for labels in (old, new)]
        yield f"pods are found by {named[1]} (was {named[0]})"
