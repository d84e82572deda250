"""Label and field selectors as kubectl and the API server read them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdl_runtime.codec.selectors import EVERYTHING, NOTHING, FieldSelector, LabelSelector
from kdl_runtime.errors import BadRequest


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("", ""),
        ("  ", ""),
        ("a=b", "a=b"),
        ("a==b", "a==b"),
        (" a = b ", "a=b"),
        ("a=", "a="),
        ("a=,b", "a=,b"),
        ("a!=b", "a!=b"),
        ("b,a", "a,b"),
        ("!a", "!a"),
        ("! a,b", "!a,b"),
        ("a in (c,b)", "a in (b,c)"),
        ("a in(b)", "a in (b)"),
        ("a in ()", "a in ()"),
        ("a notin (b, )", "a notin (,b)"),
        ("a>5,b<-3", "a>5,b<-3"),
        ("in=notin", "in=notin"),
        ("in in (in)", "in in (in)"),
        ("kdl.io/job-name=x", "kdl.io/job-name=x"),
        ("x/A_b.c-d", "x/A_b.c-d"),
        ("a=b,c in (d,e),!f", "a=b,c in (d,e),!f"),
    ],
)
def test_label_selectors_parse_and_print(text: str, printed: str) -> None:
    selector = LabelSelector.parse(text)
    assert str(selector) == printed
    assert LabelSelector.parse(printed) == selector


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,", "expected a label key after ',', it ends there"),
        ("a,,b", "expected a label key after ',', found ','"),
        (",a", "expected a label key, found ','"),
        ("=b", "expected a label key, found '='"),
        ("!", "expected a label key, it ends there"),
        ("!a=b", "expected ',' or the end, found '='"),
        ("a b", "expected one of in, notin"),
        ("a=b c", "expected ',' or the end, found 'c'"),
        ("a in b", r"expected '\(', found 'b'"),
        ("a in", r"expected '\(', it ends there"),
        ("a in (b", r"expected ',' or '\)', it ends there"),
        ("a in (b c)", r"expected ',' or '\)', found 'c'"),
        ("a=(b)", r"found '\('"),
        ("a>", "expected an integer, it ends there"),
        ("a>x", "compares 'a' with 'x': it must be an integer"),
        ("-a=b", "label key '-a' is invalid"),
        ("a" * 64, "1 to 63"),
        ("A.b/c", "invalid prefix"),
        ("/c", "invalid prefix"),
        ("a/b/c", "invalid prefix"),
        ("a=b/c", "value 'b/c' of the label 'a' is invalid"),
        ("a=" + "b" * 64, "is invalid: it is empty or up to 63"),
        ("a in (b,-)", "value '-' of the label 'a' is invalid"),
    ],
)
def test_label_selector_errors_say_what_and_where(text: str, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        LabelSelector.parse(text)


@pytest.mark.parametrize(
    ("text", "labels", "matches"),
    [
        ("", {}, True),
        ("a=b", {"a": "b"}, True),
        ("a=b", {"a": "c"}, False),
        ("a=b", {}, False),
        ("a==b", {"a": "b"}, True),
        ("a=", {"a": ""}, True),
        ("a=", {}, False),
        ("a!=b", {"a": "b"}, False),
        ("a!=b", {"a": "c"}, True),
        ("a!=b", {}, True),
        ("a in (b,c)", {"a": "c"}, True),
        ("a in (b,c)", {"a": "d"}, False),
        ("a in (b,c)", {}, False),
        ("a notin (b,c)", {"a": "c"}, False),
        ("a notin (b,c)", {}, True),
        ("a", {"a": ""}, True),
        ("a", {}, False),
        ("!a", {}, True),
        ("!a", {"a": ""}, False),
        ("a>5", {"a": "6"}, True),
        ("a>5", {"a": "5"}, False),
        ("a>5", {"a": "x"}, False),
        ("a>5", {}, False),
        ("a<5", {"a": "4"}, True),
        ("a<5", {"a": "5"}, False),
        ("a=b,c", {"a": "b"}, False),
        ("a=b,c", {"a": "b", "c": ""}, True),
        ("a=b,a=c", {"a": "b"}, False),
    ],
)
def test_label_selectors_match(text: str, labels: dict[str, str], matches: bool) -> None:
    assert LabelSelector.parse(text).matches(labels) is matches


@pytest.mark.parametrize(
    ("selector", "printed"),
    [
        ({}, ""),
        ({"matchLabels": {"b": "1", "a": "2"}}, "a=2,b=1"),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["c", "b"]}]}, "a in (b,c)"),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["b"]}]}, "a notin (b)"),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, "a"),
        (
            {"matchLabels": {"z": "1"}, "matchExpressions": [{"key": "a", "operator": "DoesNotExist", "values": []}]},
            "!a,z=1",
        ),
    ],
)
def test_selectors_of_objects(selector: dict[str, Any], printed: str) -> None:
    assert str(LabelSelector.from_object(selector)) == printed


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ({"key": "a", "operator": "Is"}, "'Is' is not an operator of a label selector: use In, NotIn"),
        ({"key": "a", "operator": "In", "values": []}, "operator In on the label 'a' needs at least one value"),
        ({"key": "a", "operator": "Exists", "values": ["b"]}, "operator Exists on the label 'a' takes no values"),
        ({"operator": "Exists"}, "label key '' is invalid"),
    ],
)
def test_bad_expressions(expression: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        LabelSelector.from_object({"matchExpressions": [expression]})


def test_a_missing_selector_matches_nothing_and_an_empty_one_everything() -> None:
    assert LabelSelector.from_object(None) is NOTHING
    assert not NOTHING.matches({})
    assert not NOTHING.empty
    assert LabelSelector.from_object({}) == EVERYTHING
    assert EVERYTHING.matches({"a": "b"})
    assert EVERYTHING.empty


names = st.from_regex(r"[a-z0-9]([a-z0-9._-]{0,6}[a-z0-9])?", fullmatch=True)


@given(st.dictionaries(names, names, max_size=4))
def test_a_selector_from_labels_matches_them_and_survives_printing(labels: dict[str, str]) -> None:
    selector = LabelSelector.from_labels(labels)
    assert selector.matches(labels | {"other": "x"} if "other" not in labels else labels)
    assert LabelSelector.parse(str(selector)) == selector


@given(st.text(alphabet="ab/=!<>(), innot-1", max_size=12))
def test_any_text_is_parsed_or_refused_as_a_bad_request(text: str) -> None:
    try:
        selector = LabelSelector.parse(text)
    except BadRequest:
        return
    assert LabelSelector.parse(str(selector)) == selector


# ---- fields


@pytest.mark.parametrize(
    ("text", "requirements"),
    [
        ("", []),
        (",", []),
        ("metadata.name=x", [("metadata.name", "x", False)]),
        ("metadata.name==x", [("metadata.name", "x", False)]),
        ("a=1,status.phase!=Running", [("a", "1", False), ("status.phase", "Running", True)]),
        ("a=", [("a", "", False)]),
        ("a!=", [("a", "", True)]),
        (r"a=b\,c\=d\\", [("a", r"b,c=d" + "\\", False)]),
        (r"a=\\,b=c", [("a", "\\", False), ("b", "c", False)]),
        ("a=x!y", [("a", "x!y", False)]),
    ],
)
def test_field_selectors_parse(text: str, requirements: list[tuple[str, str, bool]]) -> None:
    selector = FieldSelector.parse(text)
    assert [(item.field, item.value, item.negated) for item in selector.requirements] == requirements
    assert FieldSelector.parse(str(selector)) == selector
    assert selector.empty is (not requirements)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a", "can't understand 'a'"),
        ("a=b,c", "can't understand 'c'"),
        ("a=b=c", "in the value 'b=c' escape"),
        (r"a=\x", "escape"),
        ("a=b\\", "escape"),
    ],
)
def test_field_selector_errors(text: str, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        FieldSelector.parse(text)


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("metadata.name=x", True),
        ("metadata.name!=x", False),
        ("spec.nodeName=", True),
        ("spec.nodeName!=", False),
        ("metadata.name=x,status.phase=Running", False),
        ("metadata.name=x,status.phase!=Running", True),
    ],
)
def test_field_selectors_match(text: str, matches: bool) -> None:
    fields = {"metadata.name": "x", "status.phase": "Pending"}
    assert FieldSelector.parse(text).matches(lambda path: fields.get(path, "")) is matches


def test_exact_finds_what_a_field_must_be() -> None:
    selector = FieldSelector.parse("a!=1,metadata.name=x,b=2")
    assert selector.exact("metadata.name") == "x"
    assert selector.exact("a") is None
    assert selector.exact("c") is None
