"""Making a part of a picture anew."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch

from nodes.picture_mix import fitted
from studio.diffusion.decode import encode
from studio.sdk import VAE, Image, Latent, Mask, Number, Packed, Slider, Toggle, ValueRefused, node, running, value_type

LARGEST = 16384


@value_type()
@dataclass(frozen=True, slots=True)
class Place:
    """Where a piece was cut out of a picture, in pixels: left, top, width and height."""

    x: int
    y: int
    width: int
    height: int

    def pack(self) -> Packed:
        return Packed("Place", meta={"box": [self.x, self.y, self.width, self.height]})

    @classmethod
    def unpack(cls, packed: Packed) -> Place:
        return cls(*(int(edge) for edge in packed.meta["box"]))


class Piece(NamedTuple):
    image: Image
    mask: Mask
    place: Place


class Extended(NamedTuple):
    image: Image
    mask: Mask


@node("latent/SetMask", title="Set latent mask", aliases=("inpaint", "SetLatentNoiseMask", "differential diffusion"))
def set_mask(latent: Latent, mask: Mask, gradual: bool = Toggle(False)) -> Latent:
    """A sampler then makes anew what is inside of the mask, and leaves the rest of the latent as it is.

    Args:
        latent: The latent of a picture.
        mask: What is made anew; of any size, it is fitted to the picture.
        gradual: Take grey as how much a place may change: it is made anew during that last share of the run, as if with so much denoise
            (differential diffusion), for which samplers that remember no earlier steps are best, such as euler. Off, old and new are
            mixed at every step.
    """
    _require_inside(mask)
    return replace(latent, mask=mask, gradual=gradual)


@node("latent/Inpaint", title="Inpaint", aliases=("VAEEncodeForInpaint", "InpaintModelConditioning", "fill", "remove"))
def inpaint(image: Image, mask: Mask, vae: VAE, gradual: bool = Toggle(False, advanced=True)) -> Latent:
    """Prepare a picture for being made anew inside a mask, by any model; those that were trained for it see what lies around.

    Args:
        image: The picture, or a batch.
        mask: What is made anew; it is resized to the picture.
        vae: The one that belongs to the model.
        gradual: Take grey as how much a place may change, instead of mixing old and new.
    """
    _require_inside(mask)
    network = running().use(vae.weights)
    pixels = torch.from_numpy(image.rgb().pixels.copy())
    inside = torch.from_numpy(fitted(mask, image, image.batch).copy())
    # Grey is the middle of what the VAE takes: -1 to 1.
    hole = torch.where(inside[..., None] >= 0.5, 0.5, pixels)
    latents = [encode(network, one).float().cpu() for one in (pixels, hole)]
    return Latent(latents[0], vae.family, None, Mask(inside.numpy()), gradual, latents[1])


@node("image/CropToMask", title="Crop to mask", aliases=("inpaint crop", "zoom", "detail"))
def crop_to_mask(
    image: Image,
    mask: Mask,
    margin: float = Slider(0.3, 0, 4),
    width: int = Number(512, 16, LARGEST, step=8, unit="px"),
    height: int = Number(512, 16, LARGEST, step=8, unit="px"),
) -> Piece:
    """Cut out the part of a picture around a mask, at the size that a model works best at. Stitch back puts it in again.

    Args:
        image: The picture.
        mask: What is to be made anew. Of a batch, all masks lie in the piece.
        margin: How much of what lies around is cut out too, as a share of what is inside.
        width: Width of the piece.
        height: Height of the piece; with the width it gives the proportions.

    Returns:
        image: The piece.
        mask: The mask of the piece.
        place: Where it was, for Stitch back.
    """
    _require_inside(mask)
    inside = Mask(fitted(mask, image, image.batch).copy())
    rows, columns = (np.flatnonzero((inside.values > 0).any(axis=axes)) for axes in ((0, 2), (0, 1)))
    left, right = _grown(int(columns[0]), int(columns[-1]) + 1, margin, image.width)
    top, bottom = _grown(int(rows[0]), int(rows[-1]) + 1, margin, image.height)
    scale = max((right - left) / width, (bottom - top) / height)
    left, right = _as_long(left, right, round(scale * width), image.width)
    top, bottom = _as_long(top, bottom, round(scale * height), image.height)
    place = Place(left, top, right - left, bottom - top)
    piece = image.cropped(place.x, place.y, place.width, place.height).resized(width, height)
    part = inside.image().cropped(place.x, place.y, place.width, place.height).resized(width, height)
    return Piece(piece, Mask.from_image(part), place)


@node("image/StitchBack", title="Stitch back", aliases=("inpaint stitch", "paste", "uncrop"))
def stitch_back(image: Image, piece: Image, mask: Mask, place: Place) -> Image:
    """Put a piece that was cut out by Crop to mask back in its place. Outside of the mask the picture stays as it was.

    Args:
        image: The whole picture.
        piece: The piece, made anew, of any size.
        mask: The whole picture's mask; feather it for a soft seam.
        place: Where the piece was.
    """
    if place.x + place.width > image.width or place.y + place.height > image.height:
        raise ValueRefused(
            "The piece was not cut out of this picture: its place lies outside.",
            socket="place",
            mend="Give the picture that went into Crop to mask.",
        )
    if piece.batch not in (1, image.batch):
        raise ValueRefused(f"There are {piece.batch} pieces for {image.batch} pictures.", socket="piece")
    whole = image.rgb().pixels.copy()
    fitting = piece.rgb().resized(place.width, place.height).pixels
    rows, columns = slice(place.y, place.y + place.height), slice(place.x, place.x + place.width)
    inside = fitted(mask, image, image.batch)[:, rows, columns, None]
    before = whole[:, rows, columns]
    whole[:, rows, columns] = np.where(inside > 0, before * (1 - inside) + fitting * inside, before)
    return Image(whole.astype(np.float32))


@node("image/PadToPaint", title="Pad for outpainting", aliases=("outpaint", "extend", "ImagePadForOutpaint"))
def pad_to_paint(
    image: Image,
    left: int = Number(0, 0, LARGEST, step=8, unit="px"),
    right: int = Number(64, 0, LARGEST, step=8, unit="px"),
    top: int = Number(0, 0, LARGEST, step=8, unit="px"),
    bottom: int = Number(0, 0, LARGEST, step=8, unit="px"),
    overlap: int = Number(16, 0, LARGEST, step=8, unit="px"),
) -> Extended:
    """Make room around a picture, and a mask of it, for Inpaint to fill.

    The room is filled with the picture's edge, which gives a sampler with less than full denoise something to begin with.

    Args:
        image: The picture.
        left: Room on the left.
        right: Room on the right.
        top: Room above.
        bottom: Room below.
        overlap: So far into the picture the mask fades out.

    Returns:
        image: The larger picture.
        mask: The room, fading into the picture.
    """
    if not (left or right or top or bottom):
        raise ValueRefused("There is no room to be made.", socket="right", mend="Set at least one side above 0.")
    pixels = np.pad(image.rgb().pixels, ((0, 0), (top, bottom), (left, right), (0, 0)), mode="edge")
    down = _fading(image.height, top, bottom, overlap)
    across = _fading(image.width, left, right, overlap)
    return Extended(Image(pixels), Mask(np.maximum(down[:, None], across[None, :])[None].astype(np.float32)))


def _fading(edge: int, before: int, after: int, overlap: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """1 in the room before and after, falling to 0 within `overlap` pixels of the picture; a side without room does not fade."""
    place = np.arange(-before, edge + after, dtype=np.float32)
    inside = np.full(edge + before + after, np.inf, dtype=np.float32)
    if before:
        inside = np.minimum(inside, place + 1)
    if after:
        inside = np.minimum(inside, edge - place)
    return np.clip(1 - np.maximum(inside, 0) / (overlap + 1), 0, 1).astype(np.float32)


def _grown(first: int, last: int, margin: float, edge: int) -> tuple[int, int]:
    more = round((last - first) * margin / 2)
    return max(first - more, 0), min(last + more, edge)


def _as_long(first: int, last: int, length: int, edge: int) -> tuple[int, int]:
    """A stretch of that length around the given one, moved so that it lies inside of the edge; all of that where it is too long."""
    length = min(max(length, 1), edge)
    begin = min(max((first + last - length) // 2, 0), edge - length)
    return begin, begin + length


def _require_inside(mask: Mask) -> None:
    if not mask.values.any():
        raise ValueRefused(
            "The mask is empty: nothing would be made anew.", socket="mask", mend="Paint a mask, or invert it."
        )
