"""Upscalers: networks that make a picture larger, of the many architectures that spandrel knows."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from studio.diffusion.foreign import Foreign
from studio.diffusion.weights.single_file import SingleFile
from studio.graph.errors import ModelUnreadable, ValueRefused

CONTEXT = 32
"""Pixels around a tile that the network sees too, and whose result is left out."""


def load_upscaler(path: Path) -> Foreign:
    """A spandrel `ImageModelDescriptor` in float32: `scale`, `input_channels`, and a call that enlarges.

    Raises ModelUnreadable for a damaged file, or a network that does not make pictures of pictures.
    """
    import spandrel

    weights = spandrel.canonicalize_state_dict(dict(SingleFile.open(path).weights()))
    try:
        loaded = spandrel.ModelLoader().load_from_state_dict(weights)
    except (spandrel.UnsupportedModelError, RuntimeError, KeyError) as error:
        raise ModelUnreadable(
            path,
            "This is no upscaler of an architecture that we know.",
            mend="Choose one for which spandrel has an architecture: ESRGAN, Compact, SwinIR, DAT, HAT, SPAN ...",
        ) from error
    if not isinstance(loaded, spandrel.ImageModelDescriptor):
        raise ModelUnreadable(path, "This network fills holes.", mend="Choose one that upscales.")
    return loaded.float().eval()


def spans(length: int, tile: int) -> Iterator[tuple[int, int]]:
    """Starts and ends of stretches of at most `tile` that lie beside each other and differ by at most 1 in length."""
    count = -(-length // tile)
    edges = [round(length * i / count) for i in range(count + 1)]
    return itertools.pairwise(edges)


@torch.no_grad()
def upscale(
    upscaler: Foreign, picture: Tensor, tile: int, done: Callable[[int, int], None] = lambda done, of: None
) -> Tensor:
    """Picture (batch, H, W, 3) float32 in [0, 1] -> (batch, scale * H, scale * W, 3), likewise, in the computer's memory.

    The network gets tiles of at most `tile` pixels an edge and what is around them, so that memory does not grow with the picture; where
    it looks no further than CONTEXT pixels, the result is that of the whole. `done` hears how many tiles of how many are finished.
    Raises ValueRefused for a network that takes or gives other channels.
    """
    if (upscaler.input_channels, upscaler.output_channels) not in ((3, 3), (1, 1)):
        raise ValueRefused(
            f"This upscaler makes {upscaler.output_channels} channels of {upscaler.input_channels}.",
            socket="upscaler",
            mend="Choose one for colour pictures.",
        )
    batch, height, width, _ = picture.shape
    scale = upscaler.scale
    result = torch.empty(batch, height * scale, width * scale, 3)
    rows, columns = list(spans(height, tile)), list(spans(width, tile))
    count = batch * len(rows) * len(columns)
    finished = 0
    for item, out in zip(picture.permute(0, 3, 1, 2), result, strict=True):
        for top, bottom in rows:
            for left, right in columns:
                above, before = max(top - CONTEXT, 0), max(left - CONTEXT, 0)
                part = item[:, above : bottom + CONTEXT, before : right + CONTEXT].to(upscaler.device)
                # What takes one channel gets the colours as three pictures, one after the other.
                inputs = part[None] if upscaler.input_channels == 3 else part[:, None]
                larger = torch.cat([upscaler(one[None]).float() for one in inputs], 1)[0].cpu()
                inner = larger[
                    :,
                    (top - above) * scale : (bottom - above) * scale,
                    (left - before) * scale : (right - before) * scale,
                ]
                out[top * scale : bottom * scale, left * scale : right * scale] = inner.permute(1, 2, 0)
                finished += 1
                done(finished, count)
    return result
