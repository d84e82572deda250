"""Steps about what is not the same for all kinds: the wire, discovery, pods, namespaces and definitions."""

from typing import Any

from conformance.api import JSON_PATCH, MERGE, STRATEGIC
from conformance.differential.author import GET_HEADERS, JSON_HEADERS, Author
from conformance.differential.kinds import PODS, Object, pod_spec
from conformance.differential.steps import GONE, WAIT, Step, reference
from conformance.widgets import CRDS, definition, schema

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList"
_BODIES = (
    "",
    "{",
    "null",
    "[]",
    "[1]",
    '"text"',
    "1",
    "{}",
    '{"kind":"ConfigMap"}',
    '{"apiVersion":"v1","kind":"List","items":[]}',
    '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"data":{"a":"1","a":"2"}}',
    '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x","name":"y"}}',
    '{"apiVersion":"v1","kind":"ConfigMap","metadata":"x"}',
    '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":1}}',
    '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"Data":{"a":"1"}}',
    "a: b: c",
    "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\ndata:\n  a: '1'\n",
    "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\ndata:\n  a: 1\n",
    "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n  name: z\n",
    "- 1\n",
)
_PATCH_BODIES = ("", "{", "null", "[]", "[1]", "[{}]", '"text"', "1", "{}", "a: b: c", "- 1\n")
_MEDIA = (
    "application/json",
    "application/json; charset=utf-8",
    "application/yaml",
    "text/plain",
    "application/xml",
    "",
    MERGE,
    JSON_PATCH,
    STRATEGIC,
    "application/vnd.kubernetes.protobuf",
)
_PATHS = (
    "/api",
    "/api/",
    "/apis",
    "/api/v1",
    "/api/v2",
    "/apis/none.example.com",
    "/apis/none.example.com/v1",
    "/apis/toys.example.com",
    "/apis/toys.example.com/v1",
    "/apis/toys.example.com/v1beta1",
    "/apis/toys.example.com/v7",
    "/apis/toys.example.com/v7/widgets",
    "/apis/coordination.k8s.io",
    "/apis/kubeflow.org",
    "/apis/kubeflow.org/v1",
    "/api/v1/nothings",
    "/api/v1/namespaces/fz-a/nothings",
    "/api/v1/namespaces/fz-a/nothings/x",
    "/api/v1/namespaces/fz-a/configmaps/x/status",
    "/api/v1/namespaces/fz-a/configmaps/x/more/still",
    "/api/v1/configmaps/x",
    "/api/v1/namespaces/fz-a/nodes",
    "/api/v1/namespaces/fz-a/nodes/x",
    "/apis/toys.example.com/v1/namespaces/fz-a/widgets/x/none",
    "/apis/toys.example.com/v1/namespaces/fz-a/gadgets",
    "/apis/toys.example.com/v1/widgets/x",
    "/apis/toys.example.com/v1/namespaces/fz-none/widgets",
    "/api/v1/namespaces/fz-none/configmaps",
    "/nowhere",
    "/healthz",
    "/livez",
    "/readyz",
    "/healthz/ping",
)


def wire(author: Author) -> None:
    """Wrong paths, methods, media types and bodies."""
    pick = author.pick
    way = author.rng.random()
    if way < 0.2:
        path = pick(_PATHS)
        method = pick(["GET", "POST"] if "namespaces" in path else ["GET"])
        author.send(Step(method, path, (), JSON_HEADERS, {} if method == "POST" else None))
    elif way < 0.4:
        kind = author.kind()
        collection, one = kind.collection(author.namespace()), author.path(kind)
        path, method = pick([collection, one, f"{one}/none"]), pick(["POST", "PUT", "PATCH", "GET"])
        if method == "GET":
            path = pick([one, f"{one}/status", f"{one}/scale", f"{one}/none"])
        elif method == "POST":
            path = pick([collection, f"{one}/none"])
        else:
            path = pick([one, f"{one}/none"])
        body = kind.new(author.rng, author.name(kind)) if method in ("POST", "PUT") else None
        media = MERGE if method == "PATCH" else "application/json"
        if method == "PATCH":
            body = {"metadata": {"labels": {"app": "web"}}}
        author.send(Step(method, path, (), (("Accept", "application/json"), ("Content-Type", media)), body))
    elif way < 0.65:
        path = "/api/v1/namespaces/fz-a/configmaps"
        method = pick(["POST", "PUT", "PATCH"])
        path += "" if method == "POST" else "/x"
        headers = (("Accept", "application/json"), ("Content-Type", pick(_MEDIA)))
        author.send(Step(method, path, author.write_query(), headers, pick(_BODIES)))
    elif way < 0.85:
        kind = author.kind()
        media = pick(["application/json", "application/yaml"])
        headers = (("Accept", "application/json"), ("Content-Type", media))
        path = kind.collection(author.namespace())
        if author.maybe(0.5):
            path = author.path(kind)
            media = pick([MERGE, JSON_PATCH, STRATEGIC, "application/json", "text/plain"])
            headers = (("Accept", "application/json"), ("Content-Type", media))
            author.send(Step("PATCH", path, (), headers, pick(_PATCH_BODIES)))
        elif kind.plural != "services":  # As in ``create_wrong``.
            author.send(Step("POST", path, author.write_query(), headers, pick(_BODIES)))
    else:
        kind = author.kind()
        accept = pick(
            [
                "text/plain",
                "application/xml",
                "",
                "*/*",
                "text/html, */*",
                "application/json;as=Table;g=meta.k8s.io;v=v2",
                "application/json;as=Nothing;g=meta.k8s.io;v=v1",
                "application/json;q=0.1, application/yaml;q=0.9",
                "application/vnd.kubernetes.protobuf, application/json",
                "application/json;stream=watch",
            ]
        )
        author.send(Step("GET", author.path(kind), (), (("Accept", accept),)))


def discovery(author: Author) -> None:
    accept = author.pick(["application/json", AGGREGATED.format("v2"), AGGREGATED.format("v2beta1"), "", "*/*"])
    if author.maybe(0.3):
        accept += "," + author.pick([AGGREGATED.format("v2beta1"), "application/json"])
    path = author.pick(
        ["/api", "/apis", "/api/v1", "/apis/toys.example.com", "/apis/toys.example.com/v1", "/apis/events.k8s.io/v1"]
    )
    author.send(Step("GET", path, (), (("Accept", accept),)))


def pods(author: Author) -> None:
    """Binding, eviction, and what else only pods have."""
    path = author.path(PODS)
    name = path.rpartition("/")[2]
    way = author.rng.random()
    if way < 0.45:
        target: Object = {"apiVersion": "v1", "kind": "Node", "name": "fz-n"}
        target |= author.pick([{}, {}, {}, {"name": ""}, {"kind": "Pod"}])
        meta: Object = {"name": name, **author.pick([{}, {"annotations": {"a": "b"}}, {"uid": reference("uid", path)}])}
        body: Any = {"apiVersion": "v1", "kind": "Binding", "metadata": meta, "target": target}
        author.send(Step("POST", f"{path}/binding", author.write_query(), JSON_HEADERS, body))
    elif way < 0.7:
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": author.pick([name, name, "other"])}}
        body |= author.pick(
            [{}, {}, {"deleteOptions": {"gracePeriodSeconds": 0}}, {"deleteOptions": {"dryRun": ["All"]}}]
        )
        author.send(Step("POST", f"{path}/eviction", author.write_query(), JSON_HEADERS, body))
    elif way < 0.8:
        author.send(Step("PUT", path, (), JSON_HEADERS, {"spec": pod_spec(author.rng)}, base=path))
    else:
        change = {"spec": {"containers": [{"name": "main", "image": author.pick(["new:1", "", "new"])}]}}
        headers = (("Accept", "application/json"), ("Content-Type", author.pick([STRATEGIC, STRATEGIC, MERGE])))
        author.send(Step("PATCH", path, author.write_query(), headers, change))


def namespaces(author: Author) -> None:
    """A namespace of the sequence's own is made, changed and taken down, with what is in it."""
    pick, name = author.pick, author.pick(["fz-c", "fz-d"])
    path = f"/api/v1/namespaces/{name}"
    way = author.rng.random()
    if way < 0.3:
        meta = {"name": name, "labels": {"seq": "fz-l"}, **pick([{}, {}, {"finalizers": ["example.com/first"]}])}
        body: Object = {"apiVersion": "v1", "kind": "Namespace", "metadata": meta}
        body |= pick([{}, {}, {"spec": {"finalizers": ["example.com/own"]}}, {"status": {"phase": "Bad"}}])
        author.send(Step("POST", "/api/v1/namespaces", author.write_query(), JSON_HEADERS, body))
    elif way < 0.45:
        author.send(Step("DELETE", path, (), JSON_HEADERS, pick([None, None, {"propagationPolicy": "Background"}])))
    elif way < 0.6:
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": pick(["x", "y"]), "labels": {"seq": "fz-l"}},
        }
        author.send(Step("POST", f"{path}/configmaps", (), JSON_HEADERS, body))
    elif way < 0.75:
        change = {"spec": {"finalizers": pick([[], ["kubernetes"], ["example.com/own"]])}}
        author.send(Step("PUT", f"{path}/finalize", (), JSON_HEADERS, change, base=path))
    elif way < 0.85:
        change = pick([{"metadata": {"labels": {"a": "b"}}}, {"metadata": {"finalizers": None}}])
        author.send(Step("PUT", path, (), JSON_HEADERS, change, base=path))
    elif way < 0.95:
        author.send(Step("GET", path, (), GET_HEADERS))
    else:
        author.send(Step("DELETE", pick(["/api/v1/namespaces", "/api/v1/namespaces/kube-system"]), (), JSON_HEADERS))


def define(author: Author) -> None:
    """A CRD of the sequence's own, right or wrong, and objects of it.

    A later one has another name: for a while after the end of the first, the real server answers as if there were none.
    """
    group = f"fz-{len(author.steps)}.own.example.com"
    crd = definition(group)
    name = crd["metadata"]["name"]
    first = crd["spec"]["versions"][0]
    way = author.rng.random()
    if way < 0.5:
        second = {**first, "name": "v2", "storage": False}
        changes: list[Object] = [
            {"scope": "Everywhere"},
            {"group": "Bad_Group"},
            {"versions": []},
            {"versions": [first, second]},
            {"versions": [first, {**second, "storage": True}]},
            {"versions": [first, first]},
            {"versions": [{**first, "schema": schema(size={"type": "integer", "default": "x"})}]},
            {"versions": [{**first, "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {}}}}}]},
            {"versions": [{**first, "schema": {"openAPIV3Schema": {"type": "array"}}}]},
            {"versions": [{**first, "schema": None}]},
            {"versions": [{**first, "additionalPrinterColumns": [{"name": "A", "type": "other", "jsonPath": ".a"}]}]},
            {"versions": [{**first, "additionalPrinterColumns": [{"name": "A", "type": "string", "jsonPath": "a["}]}]},
            {"versions": [{**first, "selectableFields": [{"jsonPath": "spec"}]}]},
            {"versions": [{**first, "subresources": {"scale": {"specReplicasPath": ".x"}}}]},
            {"names": {"plural": "widgets", "kind": "widget"}},
            {"names": {"plural": "Widgets", "kind": "Widget"}},
            {"preserveUnknownFields": True},
            {"conversion": {"strategy": "Other"}},
            {"unknown": 1},
        ]
        body = {**crd, "spec": {**crd["spec"], **author.pick(changes)}}
        query = (("dryRun", "All"), *(item for item in author.write_query() if item[0] != "dryRun"))
        author.send(Step("POST", CRDS, query, JSON_HEADERS, body))
        return
    author.send(Step("POST", CRDS, (), JSON_HEADERS, crd))
    author.send(Step(WAIT, f"/apis/{group}/v1/widgets"))
    path = f"/apis/{group}/v1/namespaces/fz-a/widgets"
    widget = {"apiVersion": f"{group}/v1", "kind": "Widget", "metadata": {"name": "x"}, "spec": {"size": 2}}
    author.send(Step("POST", path, (), JSON_HEADERS, widget))
    author.send(Step("GET", f"{path}/x", (), GET_HEADERS))
    author.send(Step("GET", f"/apis/{group}/v1", (), GET_HEADERS))
    author.send(Step("DELETE", f"{path}/x", (), JSON_HEADERS))
    author.send(Step("DELETE", f"{CRDS}/{name}", (), JSON_HEADERS))
    author.send(Step(GONE, f"{CRDS}/{name}"))
