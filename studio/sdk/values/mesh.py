"""Three-dimensional shapes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.graph.errors import ValueRefused
from studio.sdk.socket_types import value_type
from studio.sdk.storage import Packed
from studio.sdk.values.arrays import frozen, pack_array, unpack_array


@value_type()
@dataclass(frozen=True, slots=True, eq=False)
class Mesh:
    """A surface of triangles.

    `vertices`: (vertices, 3) float32, x to the right, y up, z towards the viewer; `faces`: (faces, 3) int32 indices of vertices,
    counter-clockwise seen from outside; `colors`: (vertices, 3) float32 in [0, 1] sRGB, or None. Read-only. Raises `ValueRefused` for
    another shape or number type.
    """

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    colors: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        _require(self.vertices, np.dtype(np.float32), "Vertices")
        _require(self.faces, np.dtype(np.int32), "Faces")
        object.__setattr__(self, "vertices", frozen(self.vertices))
        object.__setattr__(self, "faces", frozen(self.faces))
        if self.colors is not None:
            _require(self.colors, np.dtype(np.float32), "Colours")
            if self.colors.shape != self.vertices.shape:
                raise ValueRefused(f"{len(self.colors)} colours do not fit {len(self.vertices)} vertices.")
            object.__setattr__(self, "colors", frozen(self.colors))

    @property
    def nbytes(self) -> int:
        return int(self.vertices.nbytes + self.faces.nbytes + (self.colors.nbytes if self.colors is not None else 0))

    def check(self) -> None:
        """Raises `ValueRefused` for vertices that are not finite, and faces that name vertices which are not there."""
        if not np.isfinite(self.vertices).all():
            raise ValueRefused("The mesh has vertices that are not finite.")
        if self.faces.size and not 0 <= int(self.faces.min()) <= int(self.faces.max()) < len(self.vertices):
            raise ValueRefused("The mesh has faces that name vertices which are not there.")

    def pack(self) -> Packed:
        arrays = {"vertices": pack_array(self.vertices), "faces": pack_array(self.faces)}
        if self.colors is not None:
            arrays["colors"] = pack_array(self.colors)
        return Packed("Mesh", arrays)

    @classmethod
    def unpack(cls, packed: Packed) -> Mesh:
        colors = packed.arrays.get("colors")
        return cls(
            unpack_array(packed.arrays["vertices"]),
            unpack_array(packed.arrays["faces"]),
            None if colors is None else unpack_array(colors),
        )


def _require(array: NDArray[np.generic], dtype: np.dtype[np.generic], what: str) -> None:
    if not isinstance(array, np.ndarray) or array.dtype != dtype or array.ndim != 2 or array.shape[1] != 3:
        shape = getattr(array, "shape", type(array).__name__)
        raise ValueRefused(f"{what} are a {dtype} array of the shape (n, 3), not {shape}.")
