"""Controllers over dicts, structs and models: the same reconciliations, one watch, and errors that say what to do."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any, assert_type

import msgspec
import pydantic
import pytest

from kdl_runtime.cache.spec import WatchSpec, projection_only
from kdl_runtime.codec.meta import PartialObject
from kdl_runtime.controller.controller import Controller
from kdl_runtime.controller.handlers import enqueue_self
from kdl_runtime.controller.options import ControllerOptions
from kdl_runtime.controller.ownership import set_controller_reference
from kdl_runtime.controller.predicates import generation_changed
from kdl_runtime.controller.typed import Context, TypedController, View, reconciles, view
from kdl_runtime.errors import NotDeclaredError
from kdl_runtime.resources.registry import CONFIGMAPS, SECRETS
from kdl_runtime.types import ObjectKey, Result
from unit.kdl_runtime.controller.world import World, in_a_world

KEY = ObjectKey("default", "a")
CONFIG_MAP: dict[str, Any] = {
    "metadata": {"namespace": "default", "name": "a"},
    "data": {"text": "hello", "count": "3"},
}


class TextStruct(msgspec.Struct):
    """Only what is needed; the rest of the object is skipped."""

    class Data(msgspec.Struct):
        text: str
        count: str = ""

    data: Data


class KindStruct(msgspec.Struct, rename="camel"):
    api_version: str
    kind: str


class TextProjection(PartialObject, frozen=True, gc=False):
    data: dict[str, str] = msgspec.field(default_factory=dict)


class TextModel(pydantic.BaseModel):
    class Data(pydantic.BaseModel):
        text: str
        count: int

    kind: str
    data: Data
    metadata: dict[str, Any]


MODELS: list[tuple[Any, Callable[[Any], object]]] = [
    (dict, lambda obj: (obj["kind"], obj["data"]["text"])),
    (TextModel, lambda obj: (obj.kind, obj.data.text)),
    (TextStruct, lambda obj: ("ConfigMap", obj.data.text)),
    (KindStruct, lambda obj: (obj.kind, "hello")),
    (TextProjection, lambda obj: (obj.kind, obj.data["text"])),
]


@pytest.mark.parametrize("form", ["decorator", "builder"])
@pytest.mark.parametrize(("model", "look"), MODELS, ids=[model.__name__ for model, _ in MODELS])
def test_an_object_comes_as_its_model(form: str, model: type[Any], look: Callable[[Any], object]) -> None:
    async def body(world: World) -> None:
        seen: list[object] = []

        async def text(context: Context, obj: Any) -> Result | None:
            assert context.request == KEY
            assert context.client is world.client
            seen.append(look(obj))
            if len(seen) == 1:
                return Result(requeue_after=60)
            return None

        maps = view(CONFIGMAPS, model)
        built = reconciles(maps)(text) if form == "decorator" else TypedController("text", maps, text)
        assert built.name == "text"
        world.manager.add(built)
        await world.stranger.create(CONFIGMAPS, CONFIG_MAP)
        await world.start()
        await world.clock.sleep(30)
        assert seen == [("ConfigMap", "hello")]
        await world.clock.sleep(60)
        assert seen == [("ConfigMap", "hello")] * 2
        await world.stranger.delete(CONFIGMAPS, KEY)
        await world.clock.sleep(60)
        assert len(seen) == 2, "it is not called for an object that is gone"

    in_a_world(body)


def test_children_and_others_bring_the_object_back_and_can_be_read() -> None:
    maps = view(CONFIGMAPS, TextStruct)
    secrets = view(WatchSpec(SECRETS, label_selector="app=text", indexes={"type": lambda obj: [obj.kind]}))
    others = view(WatchSpec(SECRETS, label_selector="app=other", name="others"))
    calls: list[tuple[str, list[str], list[str]]] = []

    @reconciles(maps, owns=[secrets], watches=[(others, lambda _event: [KEY])])
    async def text_keeper(context: Context, obj: TextStruct) -> None:
        """What reconciles."""
        found = context.read(secrets)
        assert found.get(ObjectKey("default", "missing")) is None
        assert found.list("elsewhere") == []
        assert found.list() == found.list("default") == found.by_index("type", "Secret")
        names = [[secret["metadata"]["name"] for secret in context.read(of).list()] for of in (secrets, others)]
        calls.append((obj.data.text, names[0], names[1]))

    async def body(world: World) -> None:
        world.manager.add(text_keeper)
        owner = await world.stranger.create(CONFIGMAPS, CONFIG_MAP)
        await world.start()
        await world.clock.sleep(1)
        child: dict[str, Any] = {"metadata": {"namespace": "default", "name": "child", "labels": {"app": "text"}}}
        set_controller_reference(owner, CONFIGMAPS, child)
        await world.stranger.create(SECRETS, child)
        await world.clock.sleep(1)
        await world.stranger.create(
            SECRETS, {"metadata": {"namespace": "default", "name": "other", "labels": {"app": "other"}}}
        )
        await world.clock.sleep(1)
        assert calls == [("hello", [], []), ("hello", ["child"], []), ("hello", ["child"], ["other"])]

    assert text_keeper.name == "text-keeper"
    in_a_world(body)


def test_predicates_delays_and_options_are_those_of_a_controller() -> None:
    calls: list[float] = []
    quiet = view(CONFIGMAPS).when(generation_changed)
    slow = view(SECRETS).after(lambda _request: 5.0)
    told = view(WatchSpec(SECRETS, name="again"))

    async def body(world: World) -> None:
        @reconciles(quiet, watches=[(slow, enqueue_self)], reads=[told], options=ControllerOptions(reconcile_timeout=7))
        async def c(context: Context, _obj: dict[str, Any]) -> None:
            calls.append(round(world.clock.monotonic(), 1))
            assert len(context.read(told).list()) == len(context.read(slow).list())

        built: list[Controller] = []
        attach = world.manager._attach

        def attached(controller: Controller) -> None:
            built.append(controller)
            attach(controller)

        world.manager._attach = attached  # type: ignore[method-assign]
        world.manager.add(c)
        assert built[0].settings.reconcile_timeout == 7
        await world.stranger.create(CONFIGMAPS, CONFIG_MAP)
        await world.start()
        await world.clock.sleep(10 - world.clock.monotonic())
        calls.clear()
        changed = {**CONFIG_MAP, "metadata": {**CONFIG_MAP["metadata"], "labels": {"a": "b"}}}
        await world.stranger.update(CONFIGMAPS, changed)
        await world.clock.sleep(1)
        assert calls == [], "config maps have no generation"
        await world.stranger.create(SECRETS, {"metadata": {"namespace": "default", "name": "a"}})
        await world.clock.sleep(10)
        assert calls == [16.0]

    in_a_world(body)


def test_views_of_one_watch_share_it() -> None:
    as_struct, as_dict = view(CONFIGMAPS, TextStruct), view(CONFIGMAPS)
    seen: set[str] = set()

    @reconciles(as_struct, reads=[as_dict])
    async def first(context: Context, obj: TextStruct) -> None:
        other = context.read(as_dict).get(context.request)
        assert other is not None
        seen.add(f"first {obj.data.text} {other['data']['text']}")

    @reconciles(view(CONFIGMAPS, TextModel))
    async def second(_context: Context, obj: TextModel) -> None:
        seen.add(f"second {obj.data.text}")

    async def body(world: World) -> None:
        world.manager.add(first)
        world.manager.add(second)
        assert len(world.manager.cache.informers) == 1
        await world.stranger.create(CONFIGMAPS, CONFIG_MAP)
        await world.start()
        await world.clock.sleep(1)
        assert seen == {"first hello hello", "second hello"}

    in_a_world(body)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (TextStruct, r"ConfigMap default/a does not fit TextStruct: Object missing required field `text`.*data"),
        (TextModel, r"(?s)ConfigMap default/a does not fit TextModel: .*data.text.*Field required"),
    ],
)
def test_an_object_that_does_not_fit_is_a_terminal_error_until_it_changes(model: type[Any], message: str) -> None:
    async def body(world: World) -> None:
        fits: list[object] = []

        async def c(_context: Context, obj: Any) -> None:
            fits.append(obj)

        world.manager.add(TypedController("c", view(CONFIGMAPS, model), c))
        await world.stranger.create(
            CONFIGMAPS, {"metadata": {"namespace": "default", "name": "a"}, "data": {"count": "1"}}
        )
        await world.start()
        await world.clock.sleep(1000)

        def count(name: str) -> float | None:
            return world.manager.metrics.value(f"controller_runtime_{name}_total", controller="c")

        assert (count("terminal_reconcile_errors"), count("reconcile_errors"), fits) == (1, 1, [])
        await world.stranger.update(CONFIGMAPS, CONFIG_MAP)
        await world.clock.sleep(1)
        assert len(fits) == 1

    in_a_world(body)


def test_reading_what_is_not_declared_says_what_to_declare() -> None:
    maps, secrets = view(CONFIGMAPS), view(SECRETS)
    failures: list[str] = []

    @reconciles(maps)
    async def c(context: Context, _obj: dict[str, Any]) -> None:
        try:
            context.read(secrets)
        except NotDeclaredError as error:
            failures.append(str(error))

    async def body(world: World) -> None:
        world.manager.add(c)
        await world.stranger.create(CONFIGMAPS, CONFIG_MAP)
        await world.start()
        await world.clock.sleep(1)
        assert failures == [
            "controller 'c' reads secrets as dict, which it does not declare: "
            "add the view to its owns, watches or reads"
        ]

    in_a_world(body)


def test_views_that_ask_for_the_same_watch_differently_are_refused() -> None:
    async def c(_context: Context, _obj: Any) -> None: ...

    async def body(world: World) -> None:
        world.manager.add(TypedController("a", view(CONFIGMAPS), c))
        with pytest.raises(ValueError, match=r"watched as 'configmaps' already.*give this WatchSpec a name of its own"):
            world.manager.add(TypedController("b", view(WatchSpec(CONFIGMAPS, label_selector="a=b")), c))

    in_a_world(body)


@pytest.mark.parametrize(
    ("watch", "model", "message"),
    [
        (CONFIGMAPS, int, "configmaps cannot be read as int: a model is dict, a msgspec.Struct, or a pydantic Base"),
        (
            WatchSpec(CONFIGMAPS, TextProjection, shrink=projection_only),
            dict,
            "configmaps cannot be read as dict: its shrink keeps no JSON; read it as TextProjection, or declare",
        ),
    ],
)
def test_what_is_no_model_is_refused_at_once(watch: Any, model: type[Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        view(watch, model)


def test_the_projection_of_a_watch_is_shared_and_not_decoded_again() -> None:
    spec = WatchSpec(CONFIGMAPS, TextProjection, shrink=projection_only)
    seen: list[TextProjection] = []
    projected = view(spec, TextProjection)

    @reconciles(projected)
    async def c(context: Context, obj: TextProjection) -> None:
        assert context.read(projected).get(context.request) is obj
        seen.append(obj)

    async def body(world: World) -> None:
        world.manager.add(c)
        await world.stranger.create(CONFIGMAPS, CONFIG_MAP)
        await world.start()
        await world.clock.sleep(1)
        assert [obj.data["text"] for obj in seen] == ["hello"]

    in_a_world(body)


async def test_a_typed_controller_can_be_called_like_its_reconciler() -> None:
    texts: View[TextStruct] = view(CONFIGMAPS, TextStruct)

    @reconciles(texts)
    async def c(context: Context, obj: TextStruct) -> Result | None:
        return Result(requeue_after=float(obj.data.count))

    context: Any = None
    assert await c(context, TextStruct(TextStruct.Data("x", "5"))) == Result(requeue_after=5)


def test_pydantic_is_loaded_by_those_who_use_it() -> None:
    code = "import sys, kdl_runtime.controller.typed, kdl_runtime.manager.manager; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_types_reach_the_user() -> None:
    """What mypy says, which checks the tests: an ignore that hides nothing is an error too."""
    texts, secrets = view(CONFIGMAPS, TextStruct), view(SECRETS)

    @reconciles(texts, reads=[secrets])
    async def right(context: Context, obj: TextStruct) -> None:
        assert_type(context.read(secrets).get(context.request), dict[str, Any] | None)
        assert_type(context.read(texts).list(), list[TextStruct])
        assert_type(obj.data.text, str)

    assert_type(right, TypedController[TextStruct])

    @reconciles(texts)  # type: ignore[arg-type]  # the point of the test
    async def wrong(_context: Context, _obj: str) -> None: ...

    with pytest.raises(TypeError, match="cannot be read as int"):
        view(CONFIGMAPS, int)
