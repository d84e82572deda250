"""How docstrings become the pages of the API reference."""

import ast

import pytest

import kdl_runtime
from apireference.pages import markdown, pages
from apireference.sections import SECTIONS
from apireference.signatures import class_signature, function_signature, wrapped
from apireference.source import ROOT, Entry, selected


def test_the_pages_are_up_to_date() -> None:
    stale = [path for path, text in pages().items() if not path.exists() or path.read_text() != text]
    assert [str(path.relative_to(ROOT)) for path in stale] == [], "run: make docs"


def test_all_that_can_be_imported_from_the_package_is_told() -> None:
    told = {
        entry.name
        for section in SECTIONS
        for module, names in section.modules.items()
        for entry in selected(module, names)
        if entry.doc
    }
    # Request is the name of ObjectKey for what a reconciler gets.
    assert set(kdl_runtime.__all__) - told == set()


def test_a_name_that_is_gone_is_an_error() -> None:
    with pytest.raises(LookupError, match=r"kdl_runtime\.clock has no Watch: mend SECTIONS"):
        selected("kdl_runtime.clock", ("Watch",))


@pytest.mark.parametrize(
    ("source", "called"),
    [
        ("def f(a, b: int = 1, *, c: str = 'x') -> int: ...", "f(a, b: int = 1, *, c: str = 'x') -> int"),
        ("async def f(self, *args: int, d, **more): ...", "async f(*args: int, d, **more)"),
        ("@asynccontextmanager\nasync def f(a: int) -> AsyncIterator[None]: ...", "async with f(a: int)"),
        ("def f(\n    a: int,  # so\n    b: int,\n) -> None: ...", "f(a: int, b: int) -> None"),
    ],
)
def test_functions_are_called_as_their_source_says(source: str, called: str) -> None:
    node = ast.parse(source).body[0]
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    assert function_signature(node, source) == called


@pytest.mark.parametrize(
    ("source", "called"),
    [
        ("class C:\n def __init__(self, a: int) -> None: ...", "C(a: int)"),
        ("@dataclass(frozen=True)\nclass C:\n a: int\n b: str = ''\n _c: int = 0", "C(a: int, b: str = '')"),
        ("class C(Exception): ...", "C(Exception)"),
        ("class C: ...", "C"),
    ],
)
def test_classes_are_called_as_their_source_says(source: str, called: str) -> None:
    node = ast.parse(source).body[0]
    assert isinstance(node, ast.ClassDef)
    assert class_signature(node, source) == called


def test_long_calls_are_wrapped() -> None:
    call = f"f(a: dict[str, int] = {{}}, b: tuple[int, ...] = ({'1, ' * 40})) -> None"
    assert wrapped(call).splitlines()[:2] == ["f(", "    a: dict[str, int] = {},"]
    assert wrapped(call).splitlines()[-1] == ") -> None"


def test_docstrings_become_markdown() -> None:
    doc = "Say ``x``::\n\n    a = ``b``\n\n    c\n\nand go on."
    assert markdown(doc) == "Say `x`:\n\n```text\na = ``b``\n\nc\n```\n\nand go on."


def test_a_summary_is_the_first_sentence() -> None:
    node = ast.Assign(targets=[], value=ast.Constant(1))
    entry = Entry("x", node, "One thing, e.g. this… and\nthat. Another.\n\nMore.", "")
    assert entry.summary == "One thing, e.g. this… and that."
