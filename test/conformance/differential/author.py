"""Sequences of requests from a seed: what clients send, what they get wrong, and what they watch meanwhile."""

import random
from collections.abc import Callable, Sequence
from typing import Any

from conformance.api import JSON_PATCH, MERGE, PARTIAL, PARTIAL_LIST, STRATEGIC, TABLE
from conformance.differential import odd_metadata
from conformance.differential.changes import delete_options, merged, operations
from conformance.differential.kinds import Kind, Object
from conformance.differential.mutation import mutated
from conformance.differential.steps import Pairs, Step, reference

NAMES = ("x", "y", "z")
LABEL_SELECTORS = (
    "app=web",
    "app!=web",
    "app in (web,db)",
    "!app",
    "tier",
    "app=db,tier=x",
    "app notin (db)",
    "app==web,seq=fz-l",
)
REFUSED_FIELDS = frozenset({"spec.none=1", "metadata.namespace=fz-b", "spec.size=3", "data.a=1", "a b"})
BAD_LABEL_SELECTORS = ("app=", "a b", "=x", "app in web", "app in (", "-x=1", "app=a=b")
JSON_HEADERS = (("Accept", "application/json"), ("Content-Type", "application/json"))
GET_HEADERS = JSON_HEADERS[:1]


class Author:
    """Writes steps about a few kinds. It remembers what probably exists, so that most requests find something."""

    def __init__(self, rng: random.Random, kinds: Sequence[Kind]) -> None:
        self.rng = rng
        self.kinds = kinds
        self.steps: list[Step] = []
        self._present: set[str] = set()
        self._generated = False

    def write(self, actions: Sequence[tuple[int, Callable[["Author"], None]]], count: int) -> None:
        """Takes ``count`` actions, each by its weight."""
        weights, choices = [weight for weight, _ in actions], [action for _, action in actions]
        for _ in range(count):
            self.rng.choices(choices, weights)[0](self)

    # What is chosen

    def maybe(self, probability: float) -> bool:
        return self.rng.random() < probability

    def pick(self, choices: Sequence[Any]) -> Any:
        return self.rng.choice(choices)

    def kind(self) -> Kind:
        found: Kind = self.pick(self.kinds)
        return found

    def namespace(self) -> str:
        return "fz-a" if self.maybe(0.8) else "fz-b"

    def name(self, kind: Kind) -> str:
        found: str = self.pick(NAMES)
        return found if kind.namespaced else f"fz-{found}"

    def path(self, kind: Kind) -> str:
        """Of an object that probably exists, mostly."""
        known = sorted(
            path for path in self._present if path.startswith(f"{kind.prefix}/") and f"/{kind.plural}/" in path
        )
        if known and self.maybe(0.9):
            found: str = self.pick(known)
            return found
        return f"{kind.collection(self.namespace())}/{self.name(kind)}"

    def write_query(self) -> Pairs:
        query: list[tuple[str, str]] = []
        if self.maybe(0.12):
            query.append(("dryRun", "All" if self.maybe(0.9) else "Some"))
        if self.maybe(0.25):
            query.append(("fieldValidation", self.pick(["Strict", "Strict", "Ignore", "Warn", "Never"])))
        if self.maybe(0.1):
            query.append(("fieldManager", "fuzzer"))
        return tuple(query)

    def accept(self) -> Pairs:
        """Mostly plain JSON."""
        if self.maybe(0.88):
            return JSON_HEADERS
        form = self.pick([TABLE, PARTIAL, "application/yaml", f"{TABLE},application/json", "*/*"])
        return (("Accept", form), JSON_HEADERS[1])

    # What is sent

    def send(self, step: Step) -> None:
        self.steps.append(step)

    def create(self) -> None:
        kind = self.kind()
        namespace, name = self.namespace(), self.name(kind)
        obj = kind.new(self.rng, name)
        if self.maybe(0.1) and not self._generated:
            # One in a sequence: lists are ordered by name, and the servers choose different ones.
            self._generated = True
            obj["metadata"] |= {"name": "", "generateName": "gen-"}
            if self.maybe(0.8):
                del obj["metadata"]["name"]
        collection = kind.collection(namespace)
        query = self.write_query()
        self.send(Step("POST", collection, query, self.accept(), obj))
        if ("dryRun", "All") not in query:
            self._present.add(f"{collection}/{name}")

    def create_wrong(self) -> None:
        kind = self.kind()
        obj = self._wrong(kind, kind.new(self.rng, self.name(kind)))
        if kind.plural == "services" and (obj.get("metadata") or {}).get("name") in (None, "", "a/b"):
            # It gets an address first, and an odd refusal then.
            return
        self.send(Step("POST", kind.collection(self.namespace()), self.write_query(), JSON_HEADERS, obj))

    def _wrong(self, kind: Kind, obj: Object) -> Any:
        if kind.wrong and self.maybe(0.5):
            return merged(obj, self.pick(kind.wrong))
        return mutated(self.rng, obj)

    def get(self) -> None:
        path = self.path(self.kind())
        query: Pairs = (("resourceVersion", self.pick(["0", reference("rv", path)])),) if self.maybe(0.15) else ()
        self.send(Step("GET", path, query, self.accept()[:1]))

    def change(self) -> Object:
        kind = self.kind()
        found: Object = self.pick(kind.changes)
        return found

    def update(self) -> None:
        """Reads, modifies and writes; now and then without a version, or with an old one."""
        kind = self.kind()
        path = self.path(kind)
        body = dict(self.pick(kind.changes if self.maybe(0.75) or not kind.wrong else kind.wrong))
        if self.maybe(0.25):
            version = self.pick([None, reference("old", path), "0", "1", "abc", "999999999999"])
            body = merged(body, {"metadata": {"resourceVersion": version}}, keep_null=True)
        elif self.maybe(0.1):
            odd: Object = self.pick(odd_metadata.in_updates())
            body = merged(body, {"metadata": odd}, keep_null=True)
        self.send(Step("PUT", path, self.write_query(), self.accept(), body, base=path))

    def replace(self) -> None:
        """A PUT of an object that was written without looking at the present one."""
        kind = self.kind()
        path = self.path(kind)
        obj = kind.new(self.rng, path.rpartition("/")[2])
        if self.maybe(0.3):
            obj["metadata"]["resourceVersion"] = reference("rv", path)
        elif self.maybe(0.2):
            obj = self._wrong(kind, obj)
            # Where a PUT creates, the real server keeps it, as if somebody had deleted what is new.
            (obj.get("metadata") or {}).pop("deletionTimestamp", None)
        self.send(Step("PUT", path, self.write_query(), JSON_HEADERS, obj))

    def patch(self) -> None:
        kind = self.kind()
        path = self.path(kind)
        change: Object = self.pick(kind.changes if self.maybe(0.75) or not kind.wrong else kind.wrong)
        if self.maybe(0.1):
            odd: Object = self.pick(odd_metadata.in_patches(path))
            change = merged(change, {"metadata": odd}, keep_null=True)
        media = self.pick([MERGE, MERGE, STRATEGIC, JSON_PATCH])
        body: Any = operations(change) if media == JSON_PATCH else change
        headers = (("Accept", "application/json"), ("Content-Type", media))
        self.send(Step("PATCH", path, self.write_query(), headers, body))

    def apply(self) -> None:
        """Of what one manager or the other wants, all of it or a part."""
        kind = self.kind()
        path = self.path(kind)
        name = path.rpartition("/")[2]
        obj = kind.new(self.rng, name) if self.maybe(0.5) else {"metadata": {"name": name}}
        obj = merged(obj, self.pick(kind.changes if self.maybe(0.85) or not kind.wrong else kind.wrong))
        obj |= {"apiVersion": kind.group_version, "kind": kind.kind}
        query = [("fieldManager", self.pick(["one", "two"]))] if self.maybe(0.95) else []
        query += [("force", self.pick(["true", "true", "false"]))] if self.maybe(0.5) else []
        query += [item for item in self.write_query() if item[0] != "fieldManager"]
        headers = (("Accept", "application/json"), ("Content-Type", "application/apply-patch+yaml"))
        self.send(Step("PATCH", path, tuple(query), headers, obj))
        if ("dryRun", "All") not in query:
            self._present.add(path)

    def json_patch(self) -> None:
        """Operations that may not fit the object."""
        path = self.path(self.kind())
        label = "/metadata/labels"
        choices: list[list[Object]] = [
            [
                {"op": "test", "path": f"{label}/seq", "value": "fz-l"},
                {"op": "add", "path": f"{label}/new", "value": "1"},
            ],
            [{"op": "test", "path": f"{label}/seq", "value": "other"}],
            [{"op": "remove", "path": f"{label}/app"}],
            [{"op": "remove", "path": "/metadata/finalizers"}],
            [{"op": "remove", "path": "/metadata/finalizers/0"}],
            [{"op": "replace", "path": f"{label}/seq", "value": "fz-l"}],
            [{"op": "replace", "path": f"{label}/none", "value": "1"}],
            [{"op": "copy", "from": f"{label}/seq", "path": f"{label}/copy"}],
            [{"op": "move", "from": f"{label}/app", "path": f"{label}/moved"}],
            [{"op": "add", "path": "/metadata/finalizers/-", "value": "example.com/third"}],
            [{"op": "add", "path": "/metadata/none/such", "value": "1"}],
            [{"op": "jump", "path": label}],
            [{"op": "test", "path": "/metadata/resourceVersion", "value": reference("rv", path)}],
            [],
        ]
        headers = (("Accept", "application/json"), ("Content-Type", JSON_PATCH))
        self.send(Step("PATCH", path, self.write_query(), headers, self.pick(choices)))

    def finalizers(self) -> None:
        path = self.path(self.kind())
        headers = (("Accept", "application/json"), ("Content-Type", MERGE))
        value = self.pick([None, ["example.com/first"], ["example.com/second", "example.com/first"], []])
        self.send(Step("PATCH", path, (), headers, {"metadata": {"finalizers": value}}))

    def delete(self) -> None:
        path = self.path(self.kind())
        query: list[tuple[str, str]] = []
        body: Object = {}
        if self.maybe(0.2):
            query.append(("gracePeriodSeconds", self.pick(["0", "5", "-1", "x"])))
        if self.maybe(0.2):
            query.append(("propagationPolicy", self.pick(["Background", "Foreground", "Orphan", "Never"])))
        if self.maybe(0.1):
            query.append(("dryRun", "All"))
        if self.maybe(0.3):
            body = self.pick(delete_options(path))
        self.send(Step("DELETE", path, tuple(query), JSON_HEADERS, body or None))
        if self.maybe(0.8):
            self._present.discard(path)

    def delete_collection(self) -> None:
        kind = self.kind()
        query: list[tuple[str, str]] = [("labelSelector", self.pick(["seq=fz-l", "seq=fz-l,app=web"]))]
        if self.maybe(0.2):
            query.append(("dryRun", "All"))
        if self.maybe(0.2) and kind.namespaced:
            query.append(("limit", "1"))
        if self.maybe(0.1):
            query.append(("fieldSelector", f"metadata.name={self.name(kind)}"))
        self.send(Step("DELETE", kind.collection(self.namespace()), tuple(query), JSON_HEADERS))

    def listing(self) -> None:
        kind = self.kind()
        namespace = self.namespace() if self.maybe(0.8) else ""
        path = kind.collection(namespace)
        query = self.selection(kind, everywhere=not (namespace and kind.namespaced))
        if self.maybe(0.2):
            version = self.pick(["0", reference("list", path), reference("rv", self.path(kind)), "abc"])
            query.append(("resourceVersion", version))
        # Of two faults, which one is named first is not worth a comparison.
        if self.maybe(0.2) and not _doubtful(query):
            query.append(("resourceVersionMatch", self.pick(["Exact", "NotOlderThan", "Never"])))
        if self.maybe(0.2):
            query.append(("limit", self.pick(["1", "2", "500", "x", "-1"] if namespace and kind.namespaced else ["x"])))
        headers = GET_HEADERS
        if self.maybe(0.25):
            headers = (("Accept", self.pick([TABLE, PARTIAL_LIST, "application/yaml", PARTIAL])),)
            if self.maybe(0.3) and not _doubtful(query) and not any("Match" in name for name, _ in query):
                wrong = any(value in ("x", "abc") for _, value in query)
                query.append(("includeObject", self.pick(["None", "Object", "Metadata", *([] if wrong else ["Some"])])))
        self.send(Step("GET", path, tuple(query), headers))

    def pages(self) -> None:
        """A list in pages of one or two, up to the third, with writes in between."""
        kind = self.kind()
        if not kind.namespaced:
            # Other sequences have objects there, and what follows a page depends on them.
            self.listing()
            return
        path = kind.collection("fz-a")
        query = self.selection(kind, everywhere=False)
        query.append(("limit", self.pick(["1", "2"])))
        self.send(Step("GET", path, tuple(query), GET_HEADERS))
        for _ in range(self.rng.randint(1, 2)):
            if self.maybe(0.4):
                self.pick([self.create, self.delete, self.patch])()
            self.send(Step("GET", path, (*query, ("continue", reference("next", path))), GET_HEADERS))

    def selection(self, kind: Kind, *, everywhere: bool) -> list[tuple[str, str]]:
        """Selectors. What reaches beyond the sequence's namespaces is about its own objects only."""
        query: list[tuple[str, str]] = []
        selector = self.pick(LABEL_SELECTORS) if self.maybe(0.35) else ""
        if everywhere:
            selector = f"seq=fz-l,{selector}" if selector else "seq=fz-l"
        elif self.maybe(0.03):
            selector = self.pick(BAD_LABEL_SELECTORS)
        if selector:
            query.append(("labelSelector", selector))
        if self.maybe(0.2):
            common = (
                f"metadata.name={self.name(kind)}",
                f"metadata.name!={self.name(kind)}",
                "metadata.namespace=fz-b",
            )
            query.append(("fieldSelector", self.pick([*common, *kind.fields, *kind.fields, "spec.none=1", "a b"])))
        return query

    def watch(self) -> None:
        kind = self.kind()
        namespace = self.namespace() if self.maybe(0.85) else ""
        path = kind.collection(namespace)
        query = [("watch", self.pick(["true", "1"]))]
        query += self.selection(kind, everywhere=not (namespace and kind.namespaced))
        way = self.rng.random()
        if way < 0.25:
            query.append(("resourceVersion", reference("list", path)))
            if self.maybe(0.7):
                self.steps.append(Step("GET", path, tuple(item for item in query[1:-1]), GET_HEADERS))
        elif way < 0.4:
            query.append(("resourceVersion", reference("rv", self.path(kind))))
        elif way < 0.5:
            query.append(("resourceVersion", "0"))
        elif way < 0.75:
            query += [("sendInitialEvents", "true"), ("resourceVersionMatch", "NotOlderThan")]
            query += [("allowWatchBookmarks", "true")] if self.maybe(0.9) else []
            query += [("resourceVersion", self.pick(["", "0"]))] if self.maybe(0.3) else []
        elif way < 0.8 and not _doubtful(query):
            odd: Pairs = self.pick(
                [
                    (("sendInitialEvents", "true"),),
                    (("resourceVersionMatch", "NotOlderThan"),),
                    (("sendInitialEvents", "false"), ("resourceVersionMatch", "NotOlderThan")),
                    (("resourceVersion", "abc"),),
                    (("sendInitialEvents", "true"), ("resourceVersionMatch", "Exact"), ("resourceVersion", "0")),
                ]
            )
            query += odd
        headers = (("Accept", self.pick([TABLE, PARTIAL])),) if self.maybe(0.2) else GET_HEADERS
        self.send(Step("GET", path, tuple(query), headers, watch=True))

    def status(self) -> None:
        kind = self.pick([kind for kind in self.kinds if "status" in kind.subresources] or self.kinds)
        path = self.path(kind)
        patching = self.maybe(0.5)
        right = not patching or kind.custom or self.maybe(0.7) or not kind.wrong
        change = dict(self.pick([*kind.status, *kind.changes] if right else kind.wrong))
        if self.maybe(0.1):
            odd: Object = self.pick(odd_metadata.in_statuses())
            change = merged(change, {"metadata": odd})
        if patching:
            media = self.pick([MERGE, MERGE, STRATEGIC, JSON_PATCH])
            body: Any = operations(change) if media == JSON_PATCH else change
            headers = (("Accept", "application/json"), ("Content-Type", media))
            self.send(Step("PATCH", f"{path}/status", self.write_query(), headers, body))
        elif self.maybe(0.9):
            if self.maybe(0.1):
                change = merged(change, {"metadata": {"resourceVersion": reference("old", path)}})
            self.send(Step("PUT", f"{path}/status", self.write_query(), JSON_HEADERS, change, base=path))
        else:
            self.send(Step("GET", f"{path}/status", (), GET_HEADERS))

    def scale(self) -> None:
        kind = self.pick([kind for kind in self.kinds if "scale" in kind.subresources] or self.kinds)
        path = self.path(kind)
        way = self.rng.random()
        if way < 0.3:
            self.send(Step("GET", f"{path}/scale", (), GET_HEADERS))
        elif way < 0.7:
            body = {"spec": {"replicas": self.pick([0, 3, -1, "x"])}}
            headers = (("Accept", "application/json"), ("Content-Type", self.pick([MERGE, MERGE, STRATEGIC])))
            self.send(Step("PATCH", f"{path}/scale", self.write_query(), headers, body))
        else:
            meta = {"name": path.rpartition("/")[2], "namespace": "fz-a"}
            scale = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": meta, "spec": {"replicas": 4}}
            self.send(Step("PUT", f"{path}/scale", self.write_query(), JSON_HEADERS, scale))


def _doubtful(query: list[tuple[str, str]]) -> bool:
    """Whether a field selector may be refused."""
    return any(name == "fieldSelector" and value in REFUSED_FIELDS for name, value in query)
