"""The add menu finds what an artist means."""

from __future__ import annotations

import pytest

from studio.app.search import Search
from studio.graph.spec import Catalog, Input, NodeSpec, Number, Output
from studio.graph.types import FLOAT, IMAGE, LATENT, MASK, MODEL, TEXT, VAE, list_of, variable

T = variable("T")
LATENT_IN, VAE_IN, IMAGE_IN = Input("latent", LATENT), Input("vae", VAE), Input("image", IMAGE)
IMAGE_OUT, LATENT_OUT, VAE_OUT = (Output("image", IMAGE),), (Output("latent", LATENT),), Output("vae", VAE)
RADIUS = Input("radius", FLOAT, control=Number())
CATALOG = Catalog.of(
    [
        NodeSpec(
            "image/Blur", "Blur", "Soften a picture.", (IMAGE_IN, RADIUS), IMAGE_OUT, aliases=("soften", "gaussian")
        ),
        NodeSpec("image/Invert", "Invert", "Turn colours round.", (IMAGE_IN,), IMAGE_OUT),
        NodeSpec("image/Grid", "Image grid", "Many in one.", (Input("images", list_of(IMAGE)),), IMAGE_OUT),
        NodeSpec("latent/Decode", "Decode latent", "To a picture.", (LATENT_IN, VAE_IN), IMAGE_OUT),
        NodeSpec("latent/Encode", "Encode latent", "From a picture.", (IMAGE_IN, VAE_IN), LATENT_OUT),
        NodeSpec("model/LoadCheckpoint", "Load checkpoint", "All parts.", outputs=(Output("model", MODEL), VAE_OUT)),
        NodeSpec(
            "sample/Sample",
            "Sample",
            "Denoise.",
            (Input("model", MODEL), LATENT_IN),
            LATENT_OUT,
            aliases=("ksampler",),
        ),
        NodeSpec("image/OldBlur", "Old blur", "Soften.", (IMAGE_IN,), IMAGE_OUT, deprecated="Use Blur."),
        NodeSpec("logic/Switch", "Switch", "One of two.", (Input("yes", T),), (Output("value", T),)),
        NodeSpec("text/Join", "Join text", "Words together.", (Input("a", TEXT),), (Output("text", TEXT),)),
    ]
)
SEARCH = Search(CATALOG)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("blur", "image/Blur"), ("bl", "image/Blur"), ("soften", "image/Blur"), ("ksam", "sample/Sample"), ("lc", "model/LoadCheckpoint"),
        ("check", "model/LoadCheckpoint"), ("latent dec", "latent/Decode"), ("inv", "image/Invert"), ("swch", "logic/Switch"),
        ("BLUR", "image/Blur"), ("LoadCheckpoint", "model/LoadCheckpoint"), ("colours", "image/Invert"), ("reroute", "graph/Reroute"),
    ],
)  # fmt: skip
def test_a_few_letters_find_the_node(text: str, first: str) -> None:
    assert SEARCH.find(text)[0].spec.type == first


def test_nothing_is_found_for_what_fits_nothing() -> None:
    assert SEARCH.find("zzz") == []
    assert SEARCH.find("blur zzz") == []


def test_without_words_everything_is_listed() -> None:
    assert len(SEARCH.find("")) == len(CATALOG.specs)


def test_a_wire_finds_nodes_that_take_it_and_the_socket() -> None:
    found = {match.spec.type: match.socket for match in SEARCH.find("", wire_from=LATENT)}
    assert found == {
        "latent/Decode": "latent", "sample/Sample": "latent", "logic/Switch": "yes", "graph/Reroute": "value",
    }  # fmt: skip
    assert SEARCH.find("", wire_from=LATENT)[-1].spec.type in ("logic/Switch", "graph/Reroute")


def test_a_wire_from_an_input_finds_nodes_that_give_it() -> None:
    found = [match.spec.type for match in SEARCH.find("", wire_to=VAE)]
    assert found[0] == "model/LoadCheckpoint"
    assert "image/Blur" not in found


def test_a_mask_may_go_where_a_picture_may() -> None:
    assert SEARCH.find("blur", wire_from=MASK)[0].socket == "image"


def test_what_is_used_often_goes_first_among_equals() -> None:
    order = [match.spec.type for match in SEARCH.find("latent", used={"latent/Encode": 12})]
    assert order.index("latent/Encode") < order.index("latent/Decode")
    assert SEARCH.find("blur", used={"image/OldBlur": 500})[0].spec.type == "image/Blur"
