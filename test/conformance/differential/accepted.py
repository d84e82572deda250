"""What may differ: one list, which docs/local-cluster.md repeats for users."""

from collections.abc import Callable
from dataclasses import dataclass

from conformance.differential import examples, recognition
from conformance.differential.compare import Difference
from conformance.differential.exchange import Exchange
from conformance.differential.messages import loose
from conformance.differential.steps import Step


@dataclass(frozen=True)
class Accepted:
    """``id`` and ``what`` are in the documentation; ``why`` is for whoever wonders. ``recognise`` tells whether a
    difference is this one, and ``example`` shows it, as long as it is one; empty where it takes a race to see it.

    ``diverges``: the two servers are in different states afterwards, so that the rest of a sequence says nothing.
    """

    id: str
    what: str
    why: str
    recognise: Callable[[Exchange, Difference], bool]
    example: tuple[Step, ...]
    diverges: bool = False


ACCEPTED: tuple[Accepted, ...] = (
    Accepted(
        "rights",
        "Roles are not enforced: whoever is known may do everything, and impersonation is not looked at",
        "it is one's own cluster, and programs in it run with one's own rights anyway",
        recognition.other_rights,
        examples.RIGHTS,
    ),
    Accepted(
        "served-kinds",
        "Only the kinds that operators and kubectl use are served: no Deployments, Jobs, StatefulSets, ResourceQuotas",
        "an object that nothing acts on would mislead",
        recognition.served,
        examples.SERVED,
    ),
    Accepted(
        "subresources",
        "No ephemeral containers, no resizing of pods, no tokens of service accounts, no proxies to pods and services",
        "processes cannot be resized, and everybody has the same rights",
        recognition.no_subresource,
        examples.SUBRESOURCES,
        diverges=True,
    ),
    Accepted(
        "webhooks",
        "No webhooks are called, and none can be configured: neither for admission nor for conversion",
        "operators here need none: rules in the schemas of CRDs are evaluated",
        recognition.webhooks,
        examples.WEBHOOKS,
        diverges=True,
    ),
    Accepted(
        "stored-kinds",
        "Kinds that are only stored (endpoints, budgets, roles, nodes, accounts, events) may hold what makes no sense",
        "nothing here acts on them",
        recognition.stored_kind,
        examples.STORED,
        diverges=True,
    ),
    Accepted(
        "default-tolerations",
        "Pods get no tolerations for lost nodes by default",
        "the controller of lost nodes takes the default for granted, so that simulated ones may choose a shorter time",
        recognition.default_tolerations,
        examples.TOLERATIONS,
        diverges=True,
    ),
    Accepted(
        "account-tokens",
        "Pods get no volume with a token of their service account, which need not exist",
        "a pod that asks for one is told so by its node",
        recognition.token_volume,
        examples.TOKENS,
        diverges=True,
    ),
    Accepted(
        "new-node-taint",
        "A new node is not tainted as not ready",
        "the controller that would take the taint away is not here; the scheduler looks at the condition",
        recognition.node_taint,
        examples.NODE,
        diverges=True,
    ),
    Accepted(
        "claim-protection",
        "A volume claim gets no finalizer that keeps it while a pod uses it",
        "the controller that would take the finalizer away is not here",
        recognition.claim_protection,
        examples.CLAIM,
        diverges=True,
    ),
    Accepted(
        "pod-warnings",
        "Warnings about questionable pods are not given",
        "none of them is about what is stored",
        recognition.pod_warnings,
        examples.POD_WARNING,
    ),
    Accepted(
        "json-patch-absent",
        "A JSON patch can neither replace nor copy what is not there",
        "RFC 6902 says so; the real server adds it, and copies null",
        recognition.patched_nothing,
        examples.JSON_PATCH_ABSENT,
        diverges=True,
    ),
    Accepted(
        "patch-directives",
        "A directive of a strategic merge patch for what is not there is dropped in silence",
        "kubectl sends none; the real server takes it for an unknown field",
        recognition.directives,
        examples.DIRECTIVE,
        diverges=True,
    ),
    Accepted(
        "duplicate-fields",
        "A field that is given twice is not reported; the last one counts",
        "what kubectl sends has been through a decoder that finds them",
        recognition.duplicate_fields,
        examples.DUPLICATE,
        diverges=True,
    ),
    Accepted(
        "definition-status",
        "The status of a CustomResourceDefinition is owned by kdl-local, not by kube-apiserver",
        "it is the one that has written it",
        recognition.definition_status,
        examples.DEFINITION_STATUS,
    ),
    Accepted(
        "definition-faults",
        "Of a wrong CustomResourceDefinition, not every fault is found, nor under the name that older versions gave it",
        "the first one that is mended leads to the next",
        recognition.definition_faults,
        examples.DEFINITION,
    ),
    Accepted(
        "wrong-kind",
        "A custom resource of a wrong kind is refused for that alone",
        "it has no schema by which more could be said",
        recognition.wrong_kind,
        examples.WRONG_KIND,
    ),
    Accepted(
        "words",
        "The words of a refusal where a program has written them: of decoders, parsers and matchers of Go",
        "code, reason and fields are the same; nobody compares these words",
        loose,
        examples.WORDS,
    ),
    Accepted(
        "server-errors",
        "Requests that the real server answers with code 500 get one of the 400s, or an answer",
        "the fault is the client's, or there is none",
        recognition.server_error,
        examples.SERVER_ERROR,
    ),
    Accepted(
        "unknown-paths",
        "A path below which nothing is served is refused with a Status, not with a line of text",
        "clients say the same of both",
        recognition.not_served,
        examples.UNKNOWN_PATH,
    ),
    Accepted(
        "no-protobuf",
        "Answers are never protobuf, though bodies may be",
        "every client that asks for it takes JSON too",
        recognition.protobuf,
        examples.PROTOBUF,
    ),
    Accepted(
        "zero-fields",
        "A field of a built-in kind that is empty (null, an empty string, list or object, 0, false) may be left out",
        "Go writes some fields that nobody has set; clients read both alike",
        recognition.zero_field,
        examples.ZERO,
    ),
    Accepted(
        "server-address",
        "Discovery names no address of the server",
        "there is one, which the client has used",
        recognition.server_address,
        examples.DISCOVERY,
    ),
    Accepted(
        "storage-hashes",
        "The storage version hashes of discovery",
        "they are only compared with one another",
        recognition.storage_hash,
        examples.DISCOVERY,
    ),
    Accepted(
        "column-texts",
        "The descriptions of table columns",
        "kubectl does not show them",
        recognition.column_text,
        examples.TABLES,
    ),
    Accepted(
        "row-conditions",
        "Rows of finished pods in tables carry no condition that says so",
        "no kubectl looks at it any more",
        recognition.row_condition,
        examples.TABLES,
    ),
    Accepted(
        "bookmark-cells",
        "The row of a bookmark in a watch of tables has no cells",
        "those of the real server are those of an empty object",
        recognition.bookmark_row,
        examples.TABLES,
    ),
    Accepted(
        "repeated-columns",
        "Watches of tables name the columns in their first event only",
        "the real server may repeat them while others watch the same",
        recognition.repeated_columns,
        (),
    ),
)


def explanation(exchange: Exchange, difference: Difference) -> Accepted | None:
    return next((item for item in ACCEPTED if item.recognise(exchange, difference)), None)
