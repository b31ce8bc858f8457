"""Values that are texts with a meaning: colours, curves and paths of files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from studio.graph.curve import height_at, points_of
from studio.graph.errors import ValueRefused
from studio.graph.graph import Point
from studio.sdk.socket_types import value_type

_COLOR: Final = re.compile(r"#[0-9a-fA-F]{6}([0-9a-fA-F]{2})?")


@value_type()
class Color(str):
    """A colour as `#rrggbb` or `#rrggbbaa`, sRGB. Raises `ValueRefused` for anything else."""

    __slots__ = ()

    def __new__(cls, text: str) -> Color:
        if not _COLOR.fullmatch(text):
            raise ValueRefused(f"'{text}' is not a colour.", mend="Write it as #rrggbb or #rrggbbaa.")
        return super().__new__(cls, text.lower())

    @property
    def rgb(self) -> tuple[float, float, float]:
        """Red, green and blue in [0, 1]."""
        red, green, blue = (int(self[at : at + 2], 16) / 255 for at in (1, 3, 5))
        return red, green, blue

    @property
    def alpha(self) -> float:
        """Opacity in [0, 1]; 1 where the text has none."""
        return int(self[7:9], 16) / 255 if len(self) == 9 else 1.0

    @classmethod
    def of(cls, red: float, green: float, blue: float, alpha: float = 1.0) -> Color:
        """From numbers in [0, 1]; beyond, they are clamped."""
        numbers = [round(min(max(one, 0.0), 1.0) * 255) for one in (red, green, blue, alpha)]
        digits = "".join(f"{one:02x}" for one in (numbers if numbers[3] != 255 else numbers[:3]))
        return cls(f"#{digits}")


@value_type()
class Curve(str):
    """A line over 0 to 1 with heights from 0 to 1, as the text of its points: `0 1, 0.4 0.6, 1 0`. Raises `ValueRefused`."""

    __slots__ = ()

    def __new__(cls, text: str) -> Curve:
        try:
            points_of(text)
        except ValueError as error:
            raise ValueRefused(
                f"'{text}' is not a curve: {error}.", mend="Write points, such as 0 1, 0.4 0.6, 1 0."
            ) from None
        return super().__new__(cls, text)

    @property
    def points(self) -> tuple[Point, ...]:
        """(place, height) from left to right."""
        return points_of(self)

    def at(self, place: float) -> float:
        """The height at a place from 0 to 1: straight lines between the points."""
        return height_at(self.points, place)


@value_type()
class FilePath(str):
    """The path of a file or folder, as text. It need not exist."""

    __slots__ = ()

    @property
    def path(self) -> Path:
        """With `~` for the user's home folder unfolded."""
        return Path(self).expanduser()
