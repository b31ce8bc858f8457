"""A small catalog that the graph tests share."""

from __future__ import annotations

from studio.graph.graph import Graph, Node, NodeId, Socket
from studio.graph.spec import (
    Catalog,
    ColorField,
    CurveField,
    Input,
    NodeSpec,
    Number,
    Options,
    Output,
    Seed,
    TextField,
    Toggle,
)
from studio.graph.types import BOOL, COLOR, CURVE, FLOAT, IMAGE, INT, LATENT, MASK, TEXT, VAE, list_of, variable

T = variable("T")

CATALOG = Catalog.of(
    [
        NodeSpec(
            "image/Load",
            "Load",
            inputs=(Input("path", TEXT, control=TextField(), default=""),),
            outputs=(Output("image", IMAGE), Output("mask", MASK)),
        ),
        NodeSpec(
            "image/Blur",
            "Blur",
            inputs=(
                Input("image", IMAGE),
                Input("radius", FLOAT, control=Number(0, 128), default=4.0),
                Input("passes", INT, control=Number(1, 8), default=1),
                Input("edge", TEXT, control=Options(("mirror", "black"), aliases=("reflect",)), default="mirror"),
                Input("fast", BOOL, control=Toggle(), default=False),
                Input("rim", COLOR, control=ColorField(), default="#000000"),
                Input("seed", INT, control=Seed(), default=0),
                Input("falloff", CURVE, control=CurveField(), default="0 1, 1 0"),
            ),
            outputs=(Output("image", IMAGE),),
        ),
        NodeSpec("image/Save", "Save", inputs=(Input("image", IMAGE),), effect=True),
        NodeSpec("latent/Empty", "Empty", outputs=(Output("latent", LATENT),)),
        NodeSpec(
            "latent/Decode",
            "Decode",
            inputs=(Input("latent", LATENT), Input("vae", VAE)),
            outputs=(Output("image", IMAGE),),
        ),
        NodeSpec(
            "logic/Switch",
            "Switch",
            inputs=(
                Input("on", BOOL, control=Toggle(), default=True),
                Input("yes", T, lazy=True, optional=True),
                Input("no", T, lazy=True, optional=True),
            ),
            outputs=(Output("value", T),),
        ),
        NodeSpec("image/Grid", "Grid", inputs=(Input("images", list_of(IMAGE)),), outputs=(Output("image", IMAGE),)),
    ]
)


def ends(text: str) -> Socket:
    return Socket.from_plain(text)


def graph_of(nodes: dict[str, str], **links: str) -> Graph:
    """`graph_of({"load": "image/Load"}, save__image="load.image")`: nodes by id and type, links as input to output."""
    return Graph(
        nodes={NodeId(id): Node(type) for id, type in nodes.items()},
        links={ends(input.replace("__", ".")): ends(output) for input, output in links.items()},
    )
