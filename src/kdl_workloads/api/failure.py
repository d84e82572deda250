"""What a user says about failures, the same in both API groups: rules that judge them, and what starts again."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from kdl_workloads.api.base import ApiModel, Int32, rule, rules

MAX_RULES = 20
MAX_VALUES = 64
MAX_PATTERN = 256
Word = Annotated[str, Field(min_length=1, max_length=256)]


class ExitCodes(ApiModel):
    operator: Literal["In", "NotIn"]
    """Whether the exit code must be one of the values, or none of them."""
    values: list[Int32] = Field(min_length=1, max_length=MAX_VALUES)
    """Exit codes of the training container."""


class ConditionPattern(ApiModel):
    type: Word
    """Type of the condition, such as DisruptionTarget."""
    status: Literal["True", "False", "Unknown"] = "True"
    """Status of the condition; True if not given."""


class FailureRule(ApiModel):
    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "has(self.roles) || has(self.onExitCodes) || has(self.onSignals) || has(self.onReasons) || "
                "has(self.onPodConditions) || has(self.onNodeConditions) || has(self.onMessage)",
                "spec.[runPolicy.]failureRules: a rule must say when it holds, by roles or a field on…",
            )
        )
    )

    action: Literal["Restart", "RestartJob", "Ignore", "FailJob"]
    """Restart replaces the pod, RestartJob starts the whole job again, FailJob ends it. Ignore is Restart without a
    charge to backoffLimit."""
    count: bool | None = None
    """Charge it to backoffLimit; without it failures are charged and disruptions are not."""
    roles: list[Word] | None = Field(default=None, min_length=1, max_length=8)
    """Replica types that the rule is for; all if not given."""
    on_exit_codes: ExitCodes | None = None
    """Exit code of the training container."""
    on_signals: list[Int32] | None = Field(default=None, min_length=1, max_length=MAX_VALUES)
    """Signals that ended the training container, such as 9."""
    on_reasons: list[Word] | None = Field(default=None, min_length=1, max_length=MAX_VALUES)
    """Reasons of the container or the pod, such as OOMKilled or Evicted."""
    on_pod_conditions: list[ConditionPattern] | None = Field(default=None, min_length=1, max_length=MAX_VALUES)
    """Conditions of the pod, such as DisruptionTarget."""
    on_node_conditions: list[ConditionPattern] | None = Field(default=None, min_length=1, max_length=MAX_VALUES)
    """Conditions of its node, such as Ready with status False. A node that is gone has Ready with status Unknown."""
    on_message: Annotated[str, Field(min_length=1, max_length=MAX_PATTERN)] | None = None
    """Text that is looked for in the failure's message, which is the end of the log; * and ? stand for any characters
    and for one."""


class FailurePolicy(ApiModel):
    """Fields of a run policy."""

    restart_scope: Literal["Pod", "Job"] | None = None
    """What starts again when a replica has to: its pod, or the whole job, all pods of which are then stopped first. Pod
    if not given."""
    failure_rules: list[FailureRule] | None = Field(default=None, max_length=MAX_RULES)
    """The first rule that holds for a failed pod decides about it, else its replica type's restartPolicy does.
    Containers that fail are then not restarted in their pod."""
    stop_on_failure: bool | None = None
    """When the job fails, end the pods that still run and keep them with their logs, where cleanPodPolicy leaves
    them."""


class DependsOn(ApiModel):
    upstream: Word
    """Replica type that comes first."""
    on_phase: Literal["Running", "Ready", "Succeeded"] = "Running"
    """How far all its pods must have come; Running if not given. Ready asks their readiness probes too."""
