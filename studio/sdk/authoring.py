"""Everything that `from studio.sdk import ...` offers to a node author."""

from __future__ import annotations

from studio.graph.errors import Cancelled, DeclarationError, NodeError, ValueRefused
from studio.graph.spec import Migration
from studio.sdk.context import Context, running
from studio.sdk.controls import (
    Choice,
    ColorPicker,
    CurveEditor,
    Folder,
    ModelPicker,
    Number,
    OpenFile,
    Prompt,
    SaveFile,
    Seed,
    Slider,
    TextArea,
    TextLine,
    Toggle,
    When,
)
from studio.sdk.declare import node
from studio.sdk.hints import Lazy
from studio.sdk.resident import Resident
from studio.sdk.socket_types import value_type
from studio.sdk.storage import Array, Packed
from studio.sdk.values import (
    VAE,
    Audio,
    Color,
    Conditioning,
    ControlNet,
    Curve,
    FilePath,
    Image,
    Latent,
    Mask,
    Mel,
    Mesh,
    Model,
    Noise,
    Pipeline,
    Schedule,
    TextEncoder,
    Trail,
    TrailPart,
    Upscaler,
    Video,
    Vocoder,
)

__all__ = [
    "VAE", "Array", "Audio", "Cancelled", "Choice", "Color", "ColorPicker", "Conditioning", "Context", "ControlNet", "Curve",
    "CurveEditor", "DeclarationError", "FilePath", "Folder", "Image", "Latent", "Lazy", "Mask", "Mel", "Mesh", "Migration", "Model",
    "ModelPicker", "NodeError", "Noise", "Number", "OpenFile", "Packed", "Pipeline", "Prompt", "Resident", "SaveFile", "Schedule", "Seed",
    "Slider", "TextArea", "TextEncoder", "TextLine", "Toggle", "Trail", "TrailPart", "Upscaler", "ValueRefused", "Video",
    "Vocoder", "When", "node", "running", "value_type",
]  # fmt: skip
