"""One call of a node: what it may be given, what it may do to it, what it may give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest
import torch

from studio.graph.errors import UnknownSocket, ValueRefused
from studio.sdk import Conditioning, Image, Latent, Mask, Slider, node, value_type
from studio.sdk.calling import call_node
from studio.sdk.definition import definition_of
from studio.sdk.testing import run_node

PICTURE = Image.of([[0.0, 1.0]])


class Pair(NamedTuple):
    first: Image
    second: int


@node("test/Add")
def add(image: Image, amount: float = Slider(0.5, 0, 1), other: Image | None = None) -> Image:
    return (image + amount).clamped() if other is None else other


def test_parameters_have_their_defaults_and_optional_inputs_none() -> None:
    assert run_node(add, image=PICTURE).pixels.ravel().tolist() == [0.5, 1.0]
    assert run_node(add, image=PICTURE, other=PICTURE) is PICTURE


def test_a_mask_may_feed_a_picture() -> None:
    assert run_node(add, image=Mask.of([[0.25]]), amount=0).pixels.ravel().tolist() == [0.25]


@pytest.mark.parametrize(
    ("inputs", "socket", "what"),
    [
        ({}, "image", "not connected"),
        ({"image": 3}, "image", "Int, not Image"),
        ({"image": PICTURE, "amount": 2.0}, "amount", "is 2.0"),
        ({"image": PICTURE, "amount": "x"}, "amount", "Text, not Float"),
        ({"image": PICTURE, "amount": float("nan")}, "amount", "nan"),
    ],
)
def test_refused_inputs_name_node_and_socket(inputs: dict[str, Any], socket: str, what: str) -> None:
    with pytest.raises(ValueRefused) as refused:
        call_node(definition_of(add), inputs, node="adder")
    assert (refused.value.node, refused.value.socket) == ("adder", socket)
    assert what in refused.value.what


def test_an_input_that_is_not_there_is_named() -> None:
    with pytest.raises(UnknownSocket, match=r"no 'radius'.*image, amount, other"):
        run_node(add, image=PICTURE, radius=3)


def test_several_outputs_come_by_name() -> None:
    @node("test/Pair")
    def pair(image: Image) -> Pair:
        return Pair(image, 3)

    assert call_node(definition_of(pair), {"image": PICTURE}) == {"first": PICTURE, "second": 3}
    assert run_node(pair, image=PICTURE) == (PICTURE, 3)


def test_outputs_are_checked_against_the_hint() -> None:
    @node("test/Liar")
    def liar(kind: int = 0) -> Image:
        return [Image.of([[2.0]]), None, "x", np.zeros(3)][kind]  # type: ignore[return-value]

    for kind, what in enumerate(["goes from 0 to 1", "Nothing was given", "Text, not Image", "ndarray, not Image"]):
        with pytest.raises(ValueRefused) as refused:
            call_node(definition_of(liar), {"kind": kind}, node="liar")
        assert what in refused.value.what
        assert (refused.value.node, refused.value.socket) == ("liar", "image")

    @node("test/Half")
    def half(image: Image) -> Pair:
        return (image,)  # type: ignore[return-value]

    with pytest.raises(ValueRefused, match="outputs first, second, but returned tuple"):
        run_node(half, image=PICTURE)

    @node("test/Chatty")
    def chatty() -> None:
        return 3  # type: ignore[return-value]

    with pytest.raises(ValueRefused, match="declares no output"):
        run_node(chatty)


def test_a_refusal_inside_the_function_gets_the_node() -> None:
    @node("test/Picky")
    def picky(image: Image) -> Image:
        raise ValueRefused("Not this one.", socket="image", mend="Take another.")

    with pytest.raises(ValueRefused) as refused:
        call_node(definition_of(picky), {"image": PICTURE}, node="picky_2")
    assert str(refused.value) == "picky_2.image: Not this one. Take another."


def test_other_errors_of_the_function_go_through() -> None:
    @node("test/Broken")
    def broken(image: Image) -> Image:
        raise KeyError("inside")

    with pytest.raises(KeyError, match="inside"):
        run_node(broken, image=PICTURE)


def _writes_pixel(a: Image, b: Image) -> None:
    b.pixels[0, 0, 0, 0] = 0.5


def _writes_view(a: Image, b: Image) -> None:
    picture = b.pixels[0]
    picture += 1


def _writes_with_opencv(a: Image, b: Image) -> None:
    cv2.rectangle(b.pixels[0], (0, 0), (1, 1), (1.0, 1.0, 1.0))


def _writes_out(a: Image, b: Image) -> None:
    np.add(a.pixels, 1, out=b.pixels)


def _copies_over(a: Image, b: Image) -> None:
    b.pixels[0, 0] = a.pixels[0, 0]


@pytest.mark.parametrize("harm", [_writes_pixel, _writes_view, _writes_with_opencv, _writes_out, _copies_over])
def test_writing_into_a_picture_is_refused_with_its_socket(harm: Any) -> None:  # noqa: ANN401
    @node("test/Writes")
    def writes(a: Image, b: Image) -> Image:
        harm(a, b)
        return a

    b = Image.of([[0.0, 1.0], [1.0, 0.0]])
    with pytest.raises(ValueRefused) as refused:
        call_node(definition_of(writes), {"a": Image.of([[0.0, 1.0], [1.0, 0.0]]), "b": b}, node="writer")
    assert "writes into its input" in refused.value.what
    assert refused.value.node == "writer"
    assert refused.value.socket == "b"
    assert b.pixels.ravel().tolist() == [0.0, 1.0, 1.0, 0.0]


def test_arrays_of_a_plugins_own_type_are_read_only_too() -> None:
    @value_type("Test.Curve")
    @dataclass(frozen=True, eq=False)
    class Curve:
        points: np.ndarray[Any, np.dtype[np.float64]]

    @node("test/Draw")
    def draw() -> Curve:
        return Curve(np.zeros(3))

    @node("test/Bend")
    def bend(curve: Curve) -> Curve:
        curve.points[1] = 1
        return curve

    with pytest.raises(ValueRefused, match=r"Bend\.curve: The node writes into its input"):
        run_node(bend, curve=run_node(draw))


def test_writing_into_a_tensor_is_refused_and_harms_nobody() -> None:
    @node("test/Scales")
    def scales(latent: Latent, conditioning: Conditioning) -> Latent:
        conditioning.tensors["embeds"].mul_(2)
        return latent

    embeds = torch.ones(1, 2, 3)
    given = {"latent": Latent(torch.zeros(1, 4, 2, 2)), "conditioning": Conditioning({"embeds": embeds}, "sd1")}
    with pytest.raises(ValueRefused) as refused:
        call_node(definition_of(scales), given, node="scaler")
    assert (refused.value.node, refused.value.socket) == ("scaler", "conditioning")
    assert embeds.sum() == 6


def test_a_node_may_write_into_what_it_made_itself() -> None:
    @node("test/Own")
    def own(latent: Latent) -> Latent:
        tensor = latent.tensor.clone()
        tensor += 1
        return Latent(tensor)

    assert run_node(own, latent=Latent(torch.zeros(1, 4, 2, 2))).tensor.sum() == 16
