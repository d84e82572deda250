import pytest

from kdl_local.apiserver.negotiation import Form, Shape, negotiate
from kdl_local.apiserver.request import make_request, warning_header
from kdl_local.apiserver.routes import Route, parse_route
from kdl_runtime.errors import BadRequest, NotAcceptable

PROTOBUF = "application/vnd.kubernetes.protobuf"


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", Form()),
        ("*/*", Form()),
        ("application/json", Form()),
        ("application/yaml", Form(yaml=True)),
        (f"{PROTOBUF},application/json", Form()),
        (f"{PROTOBUF}, */*", Form()),
        ("application/json;q=0.5, application/yaml", Form(yaml=True)),
        ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", Form(Shape.TABLE)),
        ("application/json;as=Table;g=meta.k8s.io;v=v1beta1, application/json", Form(Shape.TABLE)),
        ("application/json;as=Table;v=v9;g=meta.k8s.io,application/json", Form()),
        ("application/json;as=Graph;v=v1;g=meta.k8s.io,application/json", Form()),
        (f"{PROTOBUF};as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json", Form()),
        ("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1", Form(Shape.METADATA)),
        ("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", Form(Shape.METADATA_LIST)),
    ],
)
def test_the_first_form_that_can_be_given(accept: str, form: Form) -> None:
    assert negotiate(accept) == form


@pytest.mark.parametrize(
    ("accept", "stream"),
    [(PROTOBUF, False), ("text/html", False), ("application/yaml", True), ("application/json;as=Graph", False)],
)
def test_forms_that_cannot_be_given(accept: str, stream: bool) -> None:
    with pytest.raises(NotAcceptable, match="only the following media types are accepted: application/json"):
        negotiate(accept, stream=stream)


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/api/v1/pods", Route("", "v1", "pods")),
        ("/api/v1/namespaces/a/pods", Route("", "v1", "pods", "a")),
        ("/api/v1/namespaces/a/pods/p", Route("", "v1", "pods", "a", "p")),
        ("/api/v1/namespaces/a/pods/p/log", Route("", "v1", "pods", "a", "p", "log")),
        ("/api/v1/namespaces", Route("", "v1", "namespaces")),
        ("/api/v1/namespaces/a", Route("", "v1", "namespaces", "", "a")),
        ("/api/v1/namespaces/a/status", Route("", "v1", "namespaces", "", "a", "status")),
        ("/api/v1/namespaces/a/finalize", Route("", "v1", "namespaces", "", "a", "finalize")),
        ("/api/v1/nodes/n/status", Route("", "v1", "nodes", "", "n", "status")),
        ("/apis/apps/v1/namespaces/a/deployments/d/scale", Route("apps", "v1", "deployments", "a", "d", "scale")),
        ("/apis/apps/v1/deployments/", Route("apps", "v1", "deployments")),
        ("/api", None),
        ("/api/v1", None),
        ("/apis", None),
        ("/apis/apps", None),
        ("/apis/apps/v1", None),
        ("/version", None),
        ("/", None),
        ("/api/v1/namespaces/a/pods/p/log/more", None),
    ],
)
def test_routes(path: str, route: Route | None) -> None:
    assert parse_route(path) == route


def test_query_parameters() -> None:
    request = make_request("GET", "/x?limit=5&watch=1&a=b&a=c&empty=", headers={"Accept": "y"})
    assert (request.number("limit"), request.number("none"), request.number("empty")) == (5, None, None)
    assert (request.flag("watch"), request.flag("none")) == (True, False)
    assert (request.param("a"), request.param("none", "z")) == ("b", "z")
    assert request.header("accept") == "y"
    with pytest.raises(BadRequest, match='parsing "b": invalid syntax'):
        request.number("a")
    with pytest.raises(BadRequest, match="a='b'"):
        request.flag("a")


def test_numbers_may_be_negative_where_the_api_lets_them() -> None:
    request = make_request("GET", "/x?gracePeriodSeconds=-1")
    assert request.number("gracePeriodSeconds") == -1
    with pytest.raises(BadRequest, match="gracePeriodSeconds: Invalid value: -1"):
        request.natural("gracePeriodSeconds")


def test_warnings_are_quoted() -> None:
    assert warning_header('unknown field "spec.x"') == r'299 - "unknown field \"spec.x\""'
