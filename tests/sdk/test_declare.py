"""What `@node` makes of a function, and what it refuses."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeVar

import pytest

from studio.graph import spec
from studio.graph.errors import DeclarationError
from studio.graph.spec import Migration, NodeSpec
from studio.sdk import (
    Choice,
    Color,
    ColorPicker,
    Curve,
    CurveEditor,
    FilePath,
    Image,
    Latent,
    Lazy,
    Mask,
    ModelPicker,
    Number,
    OpenFile,
    Prompt,
    SaveFile,
    Seed,
    Slider,
    TextArea,
    Toggle,
    When,
    node,
)
from studio.sdk.definition import definition_of

T = TypeVar("T")


def spec_of(function: object) -> NodeSpec:
    return definition_of(function).spec


@node("test/Everything", aliases=("all",))
def everything(
    image: Image,
    masks: list[Mask],
    either: Image | Latent,
    extra: Image | None = None,
    amount: float = Slider(1, 0, 2, unit="px"),
    count: int = Number(3, 1, step=2, advanced=True),
    plain: int = 5,
    seed: int = Seed(7),
    on: bool = True,
    also: bool = Toggle(False),
    words: str = Prompt("a cat"),
    area: str = TextArea(),
    line: str = "x",
    mode: Literal["soft", "hard"] = "hard",
    which: str = Choice("a", "b", default="b", when=When("mode", "soft")),
    color: Color = ColorPicker("#FF0000"),
    curve: Curve = CurveEditor("0 1, 1 0"),
    source: FilePath = OpenFile("*.png"),
    target: FilePath = SaveFile(),
    model: str = ModelPicker("lora"),
) -> Image:
    """Do everything.

    And more, over
    two lines.

    Args:
        image: The picture
            to work on.
        amount: How much.

    Returns:
        The result.
    """
    return image


def test_hints_are_sockets_and_defaults_controls() -> None:
    declared = spec_of(everything)
    types = {one.name: str(one.type) for one in declared.inputs}
    assert types == {
        "image": "Image", "masks": "list[Mask]", "either": "Image | Latent", "extra": "Image", "amount": "Float", "count": "Int",
        "plain": "Int", "seed": "Int", "on": "Bool", "also": "Bool", "words": "Text", "area": "Text", "line": "Text", "mode": "Choice",
        "which": "Choice", "color": "Color", "curve": "Curve", "source": "FilePath", "target": "FilePath", "model": "Text",
    }  # fmt: skip
    assert [one.name for one in declared.sockets] == ["image", "masks", "either", "extra"]
    assert [one.name for one in declared.inputs if one.optional] == ["extra"]
    controls = {one.name: one.control for one in declared.parameters}
    assert controls["amount"] == spec.Number(0, 2, None, "px", slider=True)
    assert controls["count"] == spec.Number(1, None, 2)
    assert controls["seed"] == spec.Seed()
    assert controls["words"] == spec.TextField(4, prompt=True)
    assert controls["mode"] == spec.Options(("soft", "hard"))
    assert controls["curve"] == spec.CurveField()
    assert controls["source"] == spec.FileField("open", ("*.png",))
    assert controls["model"] == spec.ModelField("lora")
    defaults = {one.name: one.default for one in declared.parameters}
    assert defaults["amount"] == 1.0
    assert type(defaults["amount"]) is float
    assert (defaults["which"], defaults["mode"], defaults["color"], defaults["seed"]) == ("b", "hard", "#ff0000", 7)
    assert declared.inputs_by_name["which"].shown == spec.Shown("mode", ("soft",))
    assert declared.inputs_by_name["count"].advanced
    assert [(one.name, str(one.type)) for one in declared.outputs] == [("image", "Image")]


def test_the_docstring_is_the_help() -> None:
    declared = spec_of(everything)
    assert declared.doc == "Do everything.\n\nAnd more, over two lines."
    assert declared.inputs_by_name["image"].doc == "The picture to work on."
    assert declared.inputs_by_name["amount"].doc == "How much."
    assert declared.inputs_by_name["count"].doc == ""
    assert declared.outputs[0].doc == "The result."


def test_content_of_opened_files_counts_in_the_key_and_that_of_saved_ones_does_not() -> None:
    assert definition_of(everything).files == ("source",)


def test_a_node_stays_a_plain_function() -> None:
    @node("test/Double")
    def double(number: float = Slider(2.0, 0, 10), *, times: int = Number(2)) -> float:
        return number * times

    assert double() == 4.0
    assert double(3.0, times=5) == 15.0


def test_several_named_outputs_come_from_a_named_tuple() -> None:
    class Parts(NamedTuple):
        light: Image
        sizes: list[int]

    @node("test/Parts")
    def parts(image: Image) -> Parts:
        """Take apart.

        Returns:
            light: What is light.
        """
        return Parts(image, [image.width])

    outputs = spec_of(parts).outputs
    assert [(one.name, str(one.type), one.doc) for one in outputs] == [
        ("light", "Image", "What is light."),
        ("sizes", "list[Int]", ""),
    ]


@pytest.mark.parametrize(
    ("result", "name"),
    [
        (Image, "image"),
        (list[Image], "images"),
        (float, "number"),
        (bool, "value"),
        (T, "value"),
        (Image | Mask, "value"),
    ],
)
def test_a_single_output_is_named_after_its_type(result: Any, name: str) -> None:  # noqa: ANN401
    def make() -> object:
        return None

    make.__annotations__["return"] = result
    assert spec_of(node("test/Make")(make)).outputs[0].name == name


def test_generic_sockets_share_their_variable() -> None:
    @node("test/Same")
    def same(value: T, others: list[T]) -> T:
        return value

    declared = spec_of(same)
    assert [str(one.type) for one in declared.inputs] == ["~T", "list[~T]"]
    assert declared.outputs[0].type == declared.inputs[0].type


def test_lazy_inputs_are_asked_for_by_name() -> None:
    @node("test/Pick", needs=lambda left: {"a"} if left else {"b"}, output="picked")
    def pick(a: Lazy[Image], b: Lazy[Image] = None, left: bool = True, unused: int = 3) -> Image:
        chosen = a if left else b
        assert chosen is not None
        return chosen

    definition = definition_of(pick)
    assert [(one.name, one.lazy, one.optional) for one in definition.spec.inputs[:2]] == [
        ("a", True, False),
        ("b", True, True),
    ]
    assert definition.needs is not None
    assert definition.needs(left=True, unused=1) == {"a"}
    assert definition.needs(left=False, unused=1) == {"b"}


def test_what_needs_returns_is_checked() -> None:
    @node("test/Wrong", needs=lambda: {"c"})
    def wrong(a: Lazy[Image]) -> Image:
        assert a is not None
        return a

    asked = definition_of(wrong).needs
    assert asked is not None
    with pytest.raises(DeclarationError, match="lazy inputs are: a"):
        asked()


def test_a_node_without_outputs_is_run_for_its_effect() -> None:
    @node("test/Save")
    def save(image: Image) -> None: ...

    assert spec_of(save).outputs == ()
    assert spec_of(save).effect


@pytest.mark.parametrize(
    ("type", "title"),
    [
        ("a/EncodePrompt", "Encode prompt"),
        ("a/VAEDecode", "VAE decode"),
        ("a/Blur", "Blur"),
        ("a/b/Find2D", "Find 2 D"),
    ],
)
def test_the_title_is_read_from_the_type(type: str, title: str) -> None:
    def nothing() -> None: ...

    assert spec_of(node(type)(nothing)).title == title


def test_migrations_are_kept_and_checked() -> None:
    renamed = Migration(2, renamed={"size": "radius"})

    def blur(image: Image, radius: float = 1.0) -> Image:
        return image

    assert spec_of(node("test/Blur", version=2, migrations=[renamed])(blur)).migrations == (renamed,)
    for wrong, version in ((renamed, 1), (Migration(1), 1)):
        with pytest.raises(DeclarationError, match="migrations"):
            node("test/Blur", version=version, migrations=[wrong])(blur)
    with pytest.raises(DeclarationError, match="names 'nothing'"):
        node("test/Blur", version=2, migrations=[Migration(2, renamed={"size": "nothing"})])(blur)


def bad_no_hint(image) -> Image:  # type: ignore[no-untyped-def]  # noqa: ANN001
    return image  # type: ignore[no-any-return]


def bad_no_result(image: Image):  # type: ignore[no-untyped-def]  # noqa: ANN201
    return image


def bad_star(*images: Image) -> Image:
    return images[0]


def bad_type(path: dict[str, int]) -> Image:
    raise NotImplementedError


def bad_tensor(values: object) -> Image:
    raise NotImplementedError


def bad_none(image: Image = None) -> Image:  # type: ignore[assignment]
    return image


def bad_value(image: Image = 3) -> Image:  # type: ignore[assignment]
    return image


def bad_range(amount: float = Slider(3.0, 0, 1)) -> float:
    return amount


def bad_nan(amount: float = math.nan) -> float:
    return amount


def bad_control(words: str = Slider(1, 0, 2)) -> str:  # type: ignore[assignment]
    return words


def bad_choice(mode: Literal["a", "b"] = "c") -> str:  # type: ignore[assignment]
    return mode


def bad_optional(amount: float | None = 1.0) -> float:
    return amount or 0.0


def bad_items(images: list[Image | None]) -> Image:
    raise NotImplementedError


def bad_shown(amount: float = Slider(1.0, 0, 1, when=When("mode", "a"))) -> float:
    return amount


def bad_missing_result(image: Image) -> Image | None:
    return image


def bad_doc(image: Image) -> Image:
    """Blur.

    Args:
        radius: Is not there.
    """
    return image


def bad_lazy(image: Lazy[Image]) -> Image:
    assert image is not None
    return image


async def bad_async(image: Image) -> Image:
    return image


@pytest.mark.parametrize(
    ("function", "argument", "what"),
    [
        (bad_no_hint, "image", "type hint is missing"),
        (bad_no_result, "", "hint of the result is missing"),
        (bad_star, "images", "has a name"),
        (bad_type, "path", "no socket type"),
        (bad_tensor, "values", "no socket type"),
        (bad_none, "image", "None is no value"),
        (bad_value, "image", "cannot have the default 3"),
        (bad_range, "amount", "default does not fit"),
        (bad_nan, "amount", "default is nan"),
        (bad_control, "words", "does not edit Text"),
        (bad_choice, "mode", "default does not fit"),
        (bad_optional, "amount", "holds no value"),
        (bad_items, "images", "cannot be missing"),
        (bad_shown, "amount", "'mode', which is not there"),
        (bad_missing_result, "", "result cannot be missing"),
        (bad_doc, "", "'radius', which is not there"),
        (bad_lazy, "", "which it needs"),
        (bad_async, "", "plain function"),
    ],
)
def test_what_cannot_be_a_node_is_refused_with_its_place(
    function: Callable[..., Any], argument: str, what: str
) -> None:
    with pytest.raises(DeclarationError) as refused:
        node("test/Bad")(function)
    assert function.__qualname__ in refused.value.where
    assert what in refused.value.what
    if argument:
        assert f"argument '{argument}'" in refused.value.where


@pytest.mark.parametrize("type", ["Blur", "image/", "/Blur", "image/my blur", "3d/Mesh"])
def test_a_node_type_has_a_category_and_a_name(type: str) -> None:
    with pytest.raises(DeclarationError, match="category/Name"):
        node(type)(test_a_node_type_has_a_category_and_a_name)


def test_a_hint_that_is_only_there_for_type_checkers_is_named() -> None:
    def hidden(image: Hidden) -> Image:  # type: ignore[name-defined]  # noqa: F821
        raise NotImplementedError

    with pytest.raises(DeclarationError, match="'Hidden' is not known"):
        node("test/Hidden")(hidden)


def test_what_is_no_node_has_no_definition() -> None:
    with pytest.raises(DeclarationError, match="is not a node"):
        definition_of(spec_of)
