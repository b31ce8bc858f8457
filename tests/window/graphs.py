"""Node types with one of each control, and a graph that uses them. No node code stands behind them."""

from __future__ import annotations

from studio.graph.graph import Graph, Node, NodeId, Socket
from studio.graph.spec import (
    Catalog,
    ColorField,
    CurveField,
    FileField,
    Input,
    NodeSpec,
    Number,
    Options,
    Output,
    Seed,
    Shown,
    TextField,
    Toggle,
)
from studio.graph.types import (
    BOOL,
    CHOICE,
    COLOR,
    CONDITIONING,
    CURVE,
    FILE_PATH,
    FLOAT,
    IMAGE,
    INT,
    LATENT,
    MASK,
    MODEL,
    SCHEDULE,
    TEXT,
    TEXT_ENCODER,
    VAE,
    list_of,
)

SPECS = (
    NodeSpec(
        "model/Load",
        "Load checkpoint",
        "Read a model.",
        outputs=(Output("model", MODEL), Output("text_encoder", TEXT_ENCODER), Output("vae", VAE)),
    ),
    NodeSpec(
        "text/Encode",
        "Encode prompt",
        "Words that steer a model.",
        inputs=(
            Input("text_encoder", TEXT_ENCODER),
            Input("text", TEXT, control=TextField(4, prompt=True, placeholder="What to see"), default=""),
        ),
        outputs=(Output("conditioning", CONDITIONING),),
        aliases=("clip",),
    ),
    NodeSpec(
        "latent/Empty",
        "Empty latent",
        inputs=(Input("width", INT, control=Number(64, 2048, 8, "px"), default=128),),
        outputs=(Output("latent", LATENT),),
    ),
    NodeSpec(
        "sample/Sample",
        "Sample",
        "Denoise, step by step.",
        inputs=(
            Input("model", MODEL),
            Input("positive", CONDITIONING),
            Input("latent", LATENT),
            Input("seed", INT, control=Seed(), default=7),
            Input("steps", INT, control=Number(1, 100, 1, slider=True), default=20),
            Input("guidance", FLOAT, control=Number(0, 20, 0.5), default=6.5),
            Input("sampler", CHOICE, control=Options(("euler", "dpmpp_2m", "heun")), default="euler"),
            Input("tile", BOOL, control=Toggle(), default=False),
            Input("overlap", INT, control=Number(0, 64), default=8, shown=Shown("tile", (True,))),
        ),
        outputs=(Output("latent", LATENT),),
        live=True,
    ),
    NodeSpec(
        "latent/Decode",
        "Decode latent",
        inputs=(Input("latent", LATENT), Input("vae", VAE)),
        outputs=(Output("image", IMAGE),),
    ),
    NodeSpec(
        "image/Save",
        "Save picture",
        inputs=(Input("image", IMAGE), Input("name", TEXT, control=TextField(), default="picture")),
        effect=True,
    ),
    NodeSpec(
        "sample/Drawn",
        "Drawn",
        inputs=(Input("shape", CURVE, control=CurveField(), default="0 1, 1 0"),),
        outputs=(Output("schedule", SCHEDULE),),
    ),
    NodeSpec(
        "image/Mix",
        "Mix",
        inputs=(
            Input("image", IMAGE),
            Input("others", list_of(IMAGE), optional=True),
            Input("mask", MASK, optional=True),
            Input("color", COLOR, control=ColorField(), default="#f2b441"),
            Input("file", FILE_PATH, control=FileField(), default=""),
        ),
        outputs=(Output("image", IMAGE),),
    ),
)
CATALOG = Catalog.of(SPECS, "test")


def end(node: str, name: str) -> Socket:
    return Socket(NodeId(node), name)


def picture_graph() -> Graph:
    """Checkpoint, prompt, latent, sampler, decode, save."""
    nodes = {
        "checkpoint": Node("model/Load", position=(0, 0)),
        "prompt": Node("text/Encode", {"text": "a boat"}, position=(296, 0)),
        "latent": Node("latent/Empty", position=(296, 208)),
        "sampler": Node("sample/Sample", position=(616, 0)),
        "decode": Node("latent/Decode", position=(960, 0)),
        "save": Node("image/Save", position=(960, 160)),
    }
    links = {
        end("prompt", "text_encoder"): end("checkpoint", "text_encoder"),
        end("sampler", "model"): end("checkpoint", "model"),
        end("sampler", "positive"): end("prompt", "conditioning"),
        end("sampler", "latent"): end("latent", "latent"),
        end("decode", "latent"): end("sampler", "latent"),
        end("decode", "vae"): end("checkpoint", "vae"),
        end("save", "image"): end("decode", "image"),
    }
    return Graph({NodeId(id): node for id, node in nodes.items()}, links)
