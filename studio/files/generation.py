"""How one picture was made, as most programs write it: a list of settings. It becomes the usual graph of text to picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from studio.files.import_report import ImportReport
from studio.graph.graph import Graph, Node, NodeId, Note, NoteId, Socket, Value
from studio.graph.workflow import Workflow

ORIGIN: Final = "generation"
"""Key of a workflow's `extra` under which the settings are kept that the graph does not hold, by the names that the program gave them."""
_SEEDS: Final = 2**63


@dataclass(slots=True)
class Generation:
    """Settings of one picture. None where the file does not say. `other`: what no node of the graph holds."""

    program: str
    positive: str = ""
    negative: str = ""
    model: str = ""
    seed: int | None = None
    steps: int | None = None
    guidance: float | None = None
    sampler: str = ""
    schedule: str = ""
    width: int | None = None
    height: int | None = None
    denoise: float | None = None
    clip_skip: int | None = None
    other: dict[str, Value] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def to_workflow(made: Generation, title: str = "") -> tuple[Workflow, ImportReport]:
    """The graph that makes a picture with these settings, and what it does not hold."""
    skip = {"skip_layers": max(made.clip_skip - 1, 0)} if made.clip_skip is not None else {}
    sampling = {
        "seed": made.seed % _SEEDS if made.seed is not None and made.seed >= 0 else None,
        "steps": made.steps,
        "guidance": made.guidance,
        "sampler": made.sampler or None,
        "schedule": made.schedule or None,
        "denoise": 1.0 if made.denoise is None else made.denoise,
    }
    nodes = {
        NodeId("checkpoint"): Node("model/LoadCheckpoint", {"model": made.model} if made.model else {}, (0.0, 0.0)),
        NodeId("prompt"): Node("text/EncodePrompt", {"text": made.positive, **skip}, (340.0, -80.0), title="Prompt"),
        NodeId("negative"): Node(
            "text/EncodePrompt", {"text": made.negative, **skip}, (340.0, 180.0), title="Negative prompt"
        ),
        NodeId("latent"): Node("latent/Empty", _set({"width": made.width, "height": made.height}), (340.0, 440.0)),
        NodeId("sampler"): Node("sample/Sample", _set(sampling), (700.0, 0.0)),
        NodeId("decode"): Node("latent/Decode", position=(1060.0, 0.0)),
        NodeId("save"): Node("image/Save", position=(1380.0, 0.0)),
    }
    links = {
        _socket("prompt.text_encoder"): _socket("checkpoint.text_encoder"),
        _socket("negative.text_encoder"): _socket("checkpoint.text_encoder"),
        _socket("sampler.model"): _socket("checkpoint.model"),
        _socket("sampler.positive"): _socket("prompt.conditioning"),
        _socket("sampler.negative"): _socket("negative.conditioning"),
        _socket("sampler.latent"): _socket("latent.latent"),
        _socket("decode.latent"): _socket("sampler.latent"),
        _socket("decode.vae"): _socket("checkpoint.vae"),
        _socket("save.image"): _socket("decode.image"),
    }
    canvas_notes = {}
    if made.other:
        lines = "\n".join(f"{name}: {_short(value)}" for name, value in made.other.items())
        text = f"Settings of {made.program} that no node here holds:\n\n{lines}"
        canvas_notes[NoteId("settings")] = Note(text, (0.0, 220.0), (300.0, 300.0))
    missing = [name for name, value in sampling.items() if value is None] + ([] if made.width else ["size"])
    report = ImportReport(
        made.program,
        exact=len(nodes) - (1 if missing else 0),
        defaulted=1 if missing else 0,
        notes=(*made.notes, *([f"Not used: {', '.join(map(str, made.other))}."] if made.other else [])),
        details=(f"The file does not say: {', '.join(missing)}.",) if missing else (),
    )
    extra: dict[str, Any] = {ORIGIN: {"program": made.program, **made.other}} if made.other else {}
    return Workflow(Graph(nodes, links, notes=canvas_notes), title, extra=extra), report


def _socket(text: str) -> Socket:
    return Socket.from_plain(text)


def _set(values: Mapping[str, Value]) -> dict[str, Value]:
    return {name: value for name, value in values.items() if value is not None}


def _short(value: Value) -> str:
    text = str(value)
    return text if len(text) <= 200 else f"{text[:197]}..."
