"""Socket types, and which of them may join.

A type is a name; lists, alternatives and generic types are built from names. Two sockets may join where the types are equal, where one
converts into the other without asking (the lattice `CONVERSIONS`), where a list maps over a node that takes one item, or where either
side is generic. Everything else is refused with a reason.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from studio.graph.errors import CodecError


@dataclass(frozen=True, slots=True)
class SocketType:
    """What travels through a socket.

    Exactly one of four shapes: a plain type (`name` alone), a list (`item`), one of several (`options`), or a generic type
    (`variable`: all sockets of a node that bear the same variable carry the same type, whatever is linked first).
    """

    name: str
    item: SocketType | None = None
    options: tuple[SocketType, ...] = ()
    variable: bool = False

    def __str__(self) -> str:
        return self.name

    def to_plain(self) -> str:
        """`Image`, `list[Image]`, `Image | Latent`, `~T`."""
        return self.name

    @classmethod
    def from_plain(cls, text: object) -> SocketType:
        """The type that `to_plain` wrote. Raises `CodecError`."""
        if not isinstance(text, str):
            raise CodecError(f"A socket type is a text, not {type(text).__name__}.")
        return parse_type(text)


def plain(name: str) -> SocketType:
    return SocketType(name)


def list_of(item: SocketType) -> SocketType:
    return SocketType(f"list[{item}]", item=item)


def one_of(*options: SocketType) -> SocketType:
    flat = tuple(dict.fromkeys(one for option in options for one in (option.options or (option,))))
    return flat[0] if len(flat) == 1 else SocketType(" | ".join(map(str, flat)), options=flat)


def variable(name: str) -> SocketType:
    return SocketType(f"~{name}", variable=True)


_NAME: Final = re.compile(r"[A-Za-z_][\w.\-]*")
_MOST_NESTED: Final = 8


@lru_cache(maxsize=1024)
def parse_type(text: str, _depth: int = 0) -> SocketType:
    """Read a type as `to_plain` writes it. Raises `CodecError` on anything else."""
    text = text.strip()
    if _depth > _MOST_NESTED:
        raise CodecError(f"'{text}' is nested too deeply for a socket type.")
    if text.startswith("list[") and text.endswith("]") and " | " not in _outside_brackets(text):
        return list_of(parse_type(text[5:-1], _depth + 1))
    if " | " in _outside_brackets(text):
        return one_of(*(parse_type(part, _depth + 1) for part in _split_options(text)))
    if text.startswith("~") and _NAME.fullmatch(text[1:]):
        return variable(text[1:])
    if _NAME.fullmatch(text):
        return plain(text)
    raise CodecError(f"'{text}' is not a socket type.", mend="Write a name, list[name], or names joined by ' | '.")


def _outside_brackets(text: str) -> str:
    kept, depth = [], 0
    for letter in text:
        depth += (letter == "[") - (letter == "]")
        kept.append(letter if depth == 0 else "_")
    return "".join(kept)


def _split_options(text: str) -> list[str]:
    mask, parts, start = _outside_brackets(text), [], 0
    while (at := mask.find(" | ", start)) >= 0:
        parts.append(text[start:at])
        start = at + 3
    return [*parts, text[start:]]


ANY: Final = plain("Any")
IMAGE: Final = plain("Image")
MASK: Final = plain("Mask")
LATENT: Final = plain("Latent")
CONDITIONING: Final = plain("Conditioning")
MODEL: Final = plain("Model")
TEXT_ENCODER: Final = plain("TextEncoder")
VAE: Final = plain("VAE")
CONTROLNET: Final = plain("ControlNet")
SCHEDULE: Final = plain("Schedule")
NOISE: Final = plain("Noise")
TRAIL: Final = plain("Trail")
AUDIO: Final = plain("Audio")
MEL: Final = plain("Mel")
VOCODER: Final = plain("Vocoder")
VIDEO: Final = plain("Video")
MESH: Final = plain("Mesh")
TEXT: Final = plain("Text")
INT: Final = plain("Int")
FLOAT: Final = plain("Float")
BOOL: Final = plain("Bool")
CHOICE: Final = plain("Choice")
COLOR: Final = plain("Color")
CURVE: Final = plain("Curve")
FILE_PATH: Final = plain("FilePath")

BUILT_IN: Final[tuple[SocketType, ...]] = (
    IMAGE, MASK, LATENT, CONDITIONING, MODEL, TEXT_ENCODER, VAE, CONTROLNET, SCHEDULE, NOISE, TRAIL, AUDIO, MEL, VOCODER, VIDEO, MESH,
    TEXT, INT, FLOAT, BOOL, CHOICE, COLOR, CURVE, FILE_PATH, ANY,
)  # fmt: skip

CONVERSIONS: Final[Mapping[str, frozenset[str]]] = {
    "Bool": frozenset({"Int", "Float", "Text"}),
    "Int": frozenset({"Float", "Text"}),
    "Float": frozenset({"Text"}),
    "Text": frozenset({"Choice"}),
    "Choice": frozenset({"Text"}),
    "Color": frozenset({"Text"}),
    "Curve": frozenset({"Text"}),
    "FilePath": frozenset({"Text"}),
    "Mask": frozenset({"Image"}),
}
"""From a type to those it turns into by itself, without losing anything. Everything else takes a node."""

_LOSSY: Final[Mapping[tuple[str, str], str]] = {
    ("Float", "Int"): "The fraction would be lost: it has to be rounded one way or another.",
    ("Image", "Mask"): "A picture has several channels: one has to be chosen as the mask.",
    ("Latent", "Image"): "A latent is not a picture yet: a VAE has to decode it.",
    ("Image", "Latent"): "A picture is not a latent: a VAE has to encode it.",
    ("Text", "Conditioning"): "Words steer a model only after a text encoder has read them.",
    ("Mel", "Audio"): "A mel spectrogram is not sound yet: a vocoder has to speak it.",
    ("Audio", "Mel"): "Sound has to be analysed into a mel spectrogram first.",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why two sockets may not join. `converters` are node types of the catalog that would go between."""

    output: SocketType
    input: SocketType
    reason: str
    converters: tuple[str, ...] = ()


@lru_cache(maxsize=4096)
def refusal(output: SocketType, input: SocketType) -> Refusal | None:
    """None where an output of the first type may feed an input of the second, else why not."""
    if output == input or ANY in (output, input) or output.variable or input.variable:
        return None
    if input.options:
        return None if any(refusal(output, option) is None for option in input.options) else _refused(output, input)
    if output.options:
        return None if any(refusal(option, input) is None for option in output.options) else _refused(output, input)
    if output.item is not None and input.item is not None:
        return None if refusal(output.item, input.item) is None else _refused(output, input)
    if output.item is not None:
        return None if refusal(output.item, input) is None else _refused(output, input)
    if input.item is not None:
        return None if refusal(output, input.item) is None else _refused(output, input)
    return None if input.name in CONVERSIONS.get(output.name, ()) else _refused(output, input)


def _refused(output: SocketType, input: SocketType) -> Refusal:
    why = _LOSSY.get((innermost(output).name, innermost(input).name))
    return Refusal(output, input, why or f"{output} cannot be used as {input}.")


def innermost(type: SocketType) -> SocketType:
    """The type of a single item: `list[list[Image]]` gives `Image`."""
    while type.item is not None:
        type = type.item
    return type
