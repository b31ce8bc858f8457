# ruff: noqa: N802 - a control reads like a class where it stands, and has to be a function to type-check as its value
"""Controls: what an author writes as the default of an argument, `amount: float = Slider(1.0, 0, 1)`.

For a type checker each is the plain value that the function gets. `@node` takes the control off again and leaves that value as the
default, so that the function can be called like any other. Every control takes `when=When("mode", "blur")`, to be shown only while
another parameter has one of these values, and `advanced=True`, to be folded away at first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar, cast

from studio.graph import spec
from studio.graph.errors import DeclarationError
from studio.graph.graph import Value
from studio.sdk.values.text import Color, Curve, FilePath

N = TypeVar("N", int, float)


@dataclass(frozen=True, slots=True)
class Declared:
    """What stands as a default until `@node` has read it."""

    control: spec.Control
    default: Value
    shown: spec.Shown | None
    advanced: bool


def When(parameter: str, *values: bool | int | float | str) -> spec.Shown:
    """While `parameter` has one of `values`; with no values, while it is on."""
    return spec.Shown(parameter, values or (True,))


def Slider(
    default: N,
    low: float,
    high: float,
    *,
    step: float | None = None,
    unit: str = "",
    when: spec.Shown | None = None,
    advanced: bool = False,
) -> N:
    """A number between two bounds, both allowed, drawn as a bar. `unit` is shown behind it: `px`, `s`, `%`."""
    return cast(N, Declared(spec.Number(low, high, step, unit, slider=True), default, when, advanced))


def Number(
    default: N,
    low: float | None = None,
    high: float | None = None,
    *,
    step: float | None = None,
    unit: str = "",
    when: spec.Shown | None = None,
    advanced: bool = False,
) -> N:
    """A number in a field. Bounds are allowed values themselves; None is no bound."""
    return cast(N, Declared(spec.Number(low, high, step, unit), default, when, advanced))


def Seed(default: int = 0, *, when: spec.Shown | None = None, advanced: bool = False) -> int:
    """A whole number from 0 to 2**63 - 1, which the artist keeps, randomizes, or steps after each run."""
    return cast(int, Declared(spec.Seed(), default, when, advanced))


def Toggle(default: bool = False, *, when: spec.Shown | None = None, advanced: bool = False) -> bool:
    """On or off."""
    return cast(bool, Declared(spec.Toggle(), default, when, advanced))


def Choice(
    *choices: str,
    default: str = "",
    aliases: Iterable[str] = (),
    when: spec.Shown | None = None,
    advanced: bool = False,
) -> str:
    """One of several texts; the first one, unless `default` says otherwise. `aliases` are accepted too, as they are, and not offered."""
    if not choices:
        raise DeclarationError("A choice has nothing to choose from.", mend='Write Choice("this", "that").')
    return cast(str, Declared(spec.Options(choices, tuple(aliases)), default or choices[0], when, advanced))


def TextLine(
    default: str = "", *, placeholder: str = "", when: spec.Shown | None = None, advanced: bool = False
) -> str:
    """Words on one line."""
    return cast(str, Declared(spec.TextField(1, False, placeholder), default, when, advanced))


def TextArea(
    default: str = "", *, lines: int = 4, placeholder: str = "", when: spec.Shown | None = None, advanced: bool = False
) -> str:
    """Words on several lines."""
    return cast(str, Declared(spec.TextField(lines, False, placeholder), default, when, advanced))


def Prompt(
    default: str = "", *, lines: int = 4, placeholder: str = "", when: spec.Shown | None = None, advanced: bool = False
) -> str:
    """Words for a text encoder: an area that knows weights and counts tokens."""
    return cast(str, Declared(spec.TextField(lines, True, placeholder), default, when, advanced))


def ColorPicker(default: str = "#ffffff", *, when: spec.Shown | None = None, advanced: bool = False) -> Color:
    """A colour, as `#rrggbb` or `#rrggbbaa`."""
    return cast(Color, Declared(spec.ColorField(), str(Color(default)), when, advanced))


def CurveEditor(default: str = "0 0, 1 1", *, when: spec.Shown | None = None, advanced: bool = False) -> Curve:
    """A line that is drawn by hand, as points (place, height) from 0 to 1: `0 1, 0.4 0.6, 1 0`."""
    return cast(Curve, Declared(spec.CurveField(), str(Curve(default)), when, advanced))


def OpenFile(*patterns: str, when: spec.Shown | None = None, advanced: bool = False) -> FilePath:
    """A file that is there, such as `OpenFile("*.png", "*.jpg")`. Its content counts: a changed file is read again."""
    return cast(FilePath, Declared(spec.FileField("open", patterns), "", when, advanced))


def SaveFile(*patterns: str, default: str = "", when: spec.Shown | None = None, advanced: bool = False) -> FilePath:
    """A file to be written."""
    return cast(FilePath, Declared(spec.FileField("save", patterns), default, when, advanced))


def Folder(default: str = "", *, when: spec.Shown | None = None, advanced: bool = False) -> FilePath:
    """A folder. What lies in it does not count in the key of the result; a node that reads it says so by `fingerprint`."""
    return cast(FilePath, Declared(spec.FileField("folder"), default, when, advanced))


def ModelPicker(kind: str, default: str = "", *, when: spec.Shown | None = None, advanced: bool = False) -> str:
    """A model of the library by name; `kind` is `checkpoint`, `vae`, `lora`, `controlnet`, `upscaler` ..."""
    return cast(str, Declared(spec.ModelField(kind), default, when, advanced))
