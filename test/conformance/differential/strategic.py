"""Strategic merge patches, as kubectl apply sends them, of an object in which nearly everything may change."""

from typing import Any

from conformance.api import STRATEGIC
from conformance.differential.author import JSON_HEADERS, Author
from conformance.differential.kinds import Kind, Object, pod_spec
from conformance.differential.steps import Step

TEMPLATES = Kind(
    "v1",
    "PodTemplate",
    "podtemplates",
    lambda rng: {"template": {"metadata": {"labels": {"app": "web"}}, "spec": pod_spec(rng)}},
    changes=(
        {"template": {"spec": {"containers": [{"name": "main", "image": "new:1"}]}}},
        {"template": {"metadata": {"labels": {"app": "db"}}}},
        {"metadata": {"labels": {"app": "db"}}},
    ),
)

_ENVIRONMENT: tuple[Any, ...] = (
    [{"name": "A", "value": "2"}],
    [{"name": "Z", "value": "z"}, {"name": "A", "value": "3"}],
    [{"name": "A", "$patch": "delete"}],
    [{"$patch": "replace"}, {"name": "B", "value": "b"}],
    None,
    [],
)
_PORTS: tuple[Any, ...] = (
    [{"containerPort": 8080, "name": "other"}],
    [{"containerPort": 9999, "protocol": "TCP"}],
    [{"containerPort": 8080, "$patch": "delete"}],
)
_CONTAINERS: tuple[Any, ...] = (
    [{"name": "side", "image": "side:1"}, {"name": "main", "image": "main:1"}],
    [{"name": "third", "image": "third:1"}],
    [{"name": "side", "$patch": "delete"}],
    [{"$patch": "replace"}, {"name": "only", "image": "only:1"}],
    [{"name": "main", "command": None, "args": ["x"]}],
    [{"name": "main", "resources": {"limits": {"memory": None, "cpu": "3"}}}],
)
_REST: tuple[Object, ...] = (
    {"volumes": [{"name": "w", "emptyDir": {}}]},
    {"tolerations": [{"key": "new", "operator": "Exists"}]},
    {"nodeSelector": None},
    {"imagePullSecrets": [{"name": "a"}, {"name": "b"}]},
    {"imagePullSecrets": [{"name": "b"}, {"name": "c"}]},
    {"hostAliases": [{"ip": "10.1.1.1", "hostnames": ["a"]}]},
    {"hostname": "h", "subdomain": None},
)
_METADATA: tuple[Object, ...] = (
    {"finalizers": ["example.com/third"]},
    {"finalizers": ["example.com/second", "example.com/first"]},
    {"$deleteFromPrimitiveList/finalizers": ["example.com/first"]},
    {"$setElementOrder/finalizers": ["example.com/second", "example.com/first"], "finalizers": ["example.com/second"]},
    {"labels": {"app": None}, "annotations": {"a": "b"}},
)


def strategic(author: Author) -> None:
    path = author.path(TEMPLATES)
    pick, way = author.pick, author.rng.random()
    body: Object
    if way < 0.2:
        body = {"metadata": pick(_METADATA)}
    elif way < 0.4:
        body = _spec(pick(_REST))
    elif way < 0.6:
        body = _spec({"containers": [{"name": "main", **pick([{"env": pick(_ENVIRONMENT)}, {"ports": pick(_PORTS)}])}]})
    else:
        containers = pick(_CONTAINERS)
        body = _spec({"containers": containers, **pick([{}, {}, _order(author, containers)])})
    headers = (("Accept", "application/json"), ("Content-Type", STRATEGIC))
    author.send(Step("PATCH", path, author.write_query(), headers, body))
    if author.maybe(0.2):
        author.send(Step("GET", path, (), JSON_HEADERS[:1]))


def _order(author: Author, containers: list[Object]) -> Object:
    """Names the containers of the patch in its order, and others in between."""
    if any("$patch" in item for item in containers):
        return {}
    names = [item["name"] for item in containers]
    for other in ("main", "side", "third"):
        if other not in names:
            names.insert(author.rng.randint(0, len(names)), other)
    return {"$setElementOrder/containers": [{"name": name} for name in names]}


def _spec(spec: Object) -> Object:
    return {"template": {"spec": spec}}
