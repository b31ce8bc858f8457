from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.graph.errors import CodecError
from studio.graph.types import (
    ANY,
    BUILT_IN,
    CONVERSIONS,
    FLOAT,
    IMAGE,
    INT,
    LATENT,
    MASK,
    TEXT,
    SocketType,
    innermost,
    list_of,
    one_of,
    parse_type,
    plain,
    refusal,
    variable,
)

plain_types = st.sampled_from(BUILT_IN) | st.just(plain("my.Plugin-Type"))
types = st.recursive(
    plain_types | st.sampled_from([variable("T"), variable("Other")]),
    lambda inner: inner.map(list_of) | st.lists(inner, min_size=2, max_size=3).map(lambda some: one_of(*some)),
    max_leaves=4,
)


@given(types)
def test_a_type_survives_its_text(one: SocketType) -> None:
    assert parse_type(one.to_plain()) == one


@pytest.mark.parametrize(
    "text",
    ["", "list[", "list[]", "a b", "~", "Image | ", "list[Image", "9", 7, None, "list[" * 50 + "Image" + "]" * 50],
)
def test_what_is_no_type_is_refused(text: object) -> None:
    with pytest.raises(CodecError):
        SocketType.from_plain(text)


@pytest.mark.parametrize(
    ("output", "input"),
    [
        (IMAGE, IMAGE),
        (INT, FLOAT),
        (MASK, IMAGE),
        (IMAGE, ANY),
        (ANY, LATENT),
        (variable("T"), IMAGE),
        (list_of(IMAGE), IMAGE),
        (IMAGE, list_of(IMAGE)),
        (list_of(MASK), list_of(IMAGE)),
        (MASK, one_of(LATENT, MASK)),
    ],
)
def test_these_join(output: SocketType, input: SocketType) -> None:
    assert refusal(output, input) is None


@pytest.mark.parametrize(
    ("output", "input", "word"),
    [
        (LATENT, IMAGE, "VAE"),
        (FLOAT, INT, "round"),
        (TEXT, IMAGE, "Text"),
        (list_of(LATENT), IMAGE, "VAE"),
        (IMAGE, one_of(LATENT, TEXT), "Latent"),
    ],
)
def test_a_refusal_says_why(output: SocketType, input: SocketType, word: str) -> None:
    refused = refusal(output, input)
    assert refused is not None
    assert word in refused.reason


@given(plain_types, plain_types, plain_types)
def test_conversions_need_no_middle_step(a: SocketType, b: SocketType, c: SocketType) -> None:
    """What converts into what converts further, converts: a reroute of another type never opens a new way."""
    if (
        ANY not in (a, b, c)
        and b.name in CONVERSIONS.get(a.name, ())
        and c.name in CONVERSIONS.get(b.name, ())
        and a != c
    ):
        allowed = refusal(a, c) is None
        assert allowed or (b.name, c.name) == ("Text", "Choice")


def test_the_innermost_type_of_nested_lists() -> None:
    assert innermost(list_of(list_of(IMAGE))) == IMAGE
