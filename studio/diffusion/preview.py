"""Previews: the predicted x0 as a small picture, cheap enough for every step.

A latent pixel is turned into a colour by a linear projection, fitted for the latent format by least squares. It costs a fraction of a
millisecond; a latent whose format is unknown is shown in grey. Nothing here raises for an odd latent.
"""

from __future__ import annotations

import hashlib
import json
import math
import weakref
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache, partial
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from torch import Tensor, nn

from studio.diffusion.decode import encode
from studio.diffusion.foreign import Foreign
from studio.diffusion.model import LoadedVAE
from studio.diffusion.step import StepState
from studio.resources import resource

if TYPE_CHECKING:
    from studio.diffusion.family import Family

_FIT_PICTURES = 8
_FIT_LATENT_EDGE = 8


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """RGB in [0, 1] = weight latent + bias, at every latent pixel."""

    weight: Tensor
    """(3, channels) float32."""
    bias: Tensor
    """(3,) float32."""

    copies: dict[torch.device, Projection] = field(default_factory=dict, repr=False)

    def on(self, device: torch.device) -> Projection:
        """The same on a device; copied there once, since a copy waits for the GPU."""
        if self.weight.device == device:
            return self
        if device not in self.copies:
            self.copies[device] = Projection(self.weight.to(device), self.bias.to(device))
        return self.copies[device]


def fit_projection(vae: LoadedVAE) -> Projection:
    """The projection that best explains pictures by their latents, for this VAE.

    Least squares from the latent pixels of smooth random pictures to their mean colours. Fitted once for equal weights.
    """
    key = _digest(vae.network)
    with _fitting:
        if key not in _fitted:
            _fitted[key] = _fit(vae)
        _latest[vae.family.name] = _fitted[key]
        return _fitted[key]


def known_projection(family: str) -> Projection | None:
    """Without a VAE at hand: the projection fitted last for one of this family in this process, else published factors; None where there
    are none, as for Flux.2: such previews are grey. SD 1 has none because models of its shape have latents of their own."""
    return _latest.get(family) or _published(family)


@cache
def _published(family: str) -> Projection | None:
    """Of `resources/families/<family>/preview.json`, which tells its source."""
    file = resource("families", family, "preview.json")
    if not file.is_file():
        return None
    stated = json.loads(file.read_bytes())
    weight, bias = (torch.tensor(stated[name], dtype=torch.float32) for name in ("weight", "bias"))
    return Projection(weight.T.contiguous() / 2, bias / 2 + 0.5)


_fitted: dict[bytes, Projection] = {}
_latest: dict[str, Projection] = {}
_fitting = Lock()


def projection_of(family: Family, vae: LoadedVAE | None) -> Callable[[], Projection | None]:
    """For models of a family that were loaded with a VAE, or without."""
    return partial(known_projection, family.latents_of or family.name) if vae is None else ProjectionOf(vae)


class ProjectionOf:
    """The projection of a VAE, fitted when it is first asked for, which may be never. Keeps no VAE alive."""

    def __init__(self, vae: LoadedVAE) -> None:
        self._vae: weakref.ReferenceType[nn.Module] = weakref.ref(vae.network)
        self._family, self._latents = vae.family, vae.latents
        self._projection: Projection | None = None

    def __call__(self) -> Projection | None:
        """None where the VAE is gone, or its weights are not in memory."""
        if self._projection is None:
            network = self._vae()
            if network is not None and not any(parameter.is_meta for parameter in network.parameters()):
                self._projection = fit_projection(LoadedVAE(self._family, network, self._latents))
        return self._projection


def pixel_projection(channels: int) -> Projection | None:
    """For models whose latents are pixels in [-1, 1], grey or in colour: a preview shows them. None for other numbers of channels."""
    if channels not in (1, 3):
        return None
    weight = torch.full((3, 1), 0.5) if channels == 1 else torch.eye(3) / 2
    return Projection(weight, torch.full((3,), 0.5))


def _digest(network: nn.Module) -> bytes:
    """Fingerprint of the weights: every tensor's name and shape, and some of its numbers."""
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in network.state_dict().items():
        digest.update(f"{name}{tuple(tensor.shape)}".encode())
        flat = tensor.flatten()
        digest.update(flat[:: max(flat.numel() // 64, 1)].float().cpu().numpy().tobytes())
    return digest.digest()


def _fit(vae: LoadedVAE) -> Projection:
    edge = _FIT_LATENT_EDGE * vae.latents.factor
    generator = torch.Generator().manual_seed(0)
    pictures = []
    for index in range(_FIT_PICTURES):
        cells = 1 + index % 4
        colours = torch.rand(1, 3, cells, cells, generator=generator)
        smooth = F.interpolate(colours, (edge, edge), mode="bilinear" if index % 2 else "nearest")
        pictures.append(smooth)
    batch = torch.cat(pictures)
    latents = encode(vae, batch.permute(0, 2, 3, 1)).cpu()
    colours = F.adaptive_avg_pool2d(batch, (latents.shape[2], latents.shape[3]))
    rows = latents.movedim(1, -1).reshape(-1, latents.shape[1]).double()
    known = torch.cat([rows, torch.ones(len(rows), 1, dtype=torch.float64)], dim=1)
    solution = torch.linalg.lstsq(
        known, colours.movedim(1, -1).reshape(-1, 3).double(), driver="gelsd"
    ).solution.float()
    return Projection(solution[:-1].T.contiguous(), solution[-1].contiguous())


@torch.no_grad()
def project(denoised: Tensor, projection: Projection | None) -> Tensor:
    """Latent (batch, channels, [frames,] height, width) -> uint8 (height, width, 3), on the latent's device.

    A batch is laid out as a grid, row by row; of a video the middle frame is shown, of a sound one row a channel.
    """
    latent = denoised.detach().float()
    if latent.ndim == 5:
        latent = latent[:, :, latent.shape[2] // 2]
    elif latent.ndim == 3:
        latent = latent.unsqueeze(1)
    elif latent.ndim != 4:
        latent = latent.reshape(1, 1, 1, -1)
    batch, channels, height, width = latent.shape
    if projection is not None and projection.weight.shape[1] == channels:
        there = projection.on(latent.device)
        colours = torch.addmm(there.bias, latent.movedim(1, -1).reshape(-1, channels), there.weight.T).reshape(
            batch, height, width, 3
        )
    else:
        mean = latent.mean(dim=1)
        low, high = mean.amin(dim=(1, 2), keepdim=True), mean.amax(dim=(1, 2), keepdim=True)
        colours = ((mean - low) / (high - low).clamp_min(1e-6)).unsqueeze(-1).expand(batch, height, width, 3)
    pixels = colours.nan_to_num(0.5).clamp(0, 1).mul(255).round().to(torch.uint8)
    return pixels[0] if batch == 1 else _grid(pixels)


def _grid(pixels: Tensor) -> Tensor:
    """(batch, height, width, 3) -> one picture, as square as it gets; empty places are black."""
    batch, height, width, _ = pixels.shape
    columns = math.ceil(math.sqrt(batch))
    rows = math.ceil(batch / columns)
    padded = F.pad(pixels, (0, 0, 0, 0, 0, 0, 0, rows * columns - batch))
    return padded.reshape(rows, columns, height, width, 3).transpose(1, 2).reshape(rows * height, columns * width, 3)


class Pending:
    """A preview on its way to the CPU."""

    def __init__(self, pixels: Tensor) -> None:
        self._done: Foreign = None
        self._pixels = pixels
        if pixels.is_cuda:
            cuda: Foreign = torch.cuda
            stream = side_stream(pixels.device)
            stream.wait_stream(torch.cuda.current_stream(pixels.device))
            with torch.cuda.stream(stream):
                self._pixels = torch.empty(pixels.shape, dtype=torch.uint8, pin_memory=True).copy_(
                    pixels, non_blocking=True
                )
                self._done = cuda.Event()
                self._done.record(stream)
            pixels.record_stream(stream)

    @property
    def ready(self) -> bool:
        """True where `pixels` does not wait."""
        return self._done is None or bool(self._done.query())

    def pixels(self) -> NDArray[np.uint8]:
        """(height, width, 3) RGB."""
        if self._done is not None:
            self._done.synchronize()
        pixels: NDArray[np.uint8] = self._pixels.cpu().numpy()
        return pixels


_side_streams: dict[torch.device, Foreign] = {}


def side_stream(device: torch.device) -> Foreign:
    """The stream on which a device copies to the CPU while it computes the next step."""
    if device not in _side_streams:
        cuda: Foreign = torch.cuda
        _side_streams[device] = cuda.Stream(device)
    return _side_streams[device]


def preview(denoised: Tensor, projection: Projection | None) -> NDArray[np.uint8]:
    """(height, width, 3) RGB of a predicted x0, now. See `project` for the layout of batches."""
    return Pending(project(denoised, projection)).pixels()


def with_previews(
    states: Generator[StepState, None, None], projection: Projection | None
) -> Generator[tuple[StepState, NDArray[np.uint8] | None], None, None]:
    """Every state with the newest preview that has arrived and was not given out yet. Closing it closes `states`.

    On a GPU the copy of a preview overlaps the next step, and comes with the state after its own; only at the end of the schedule is it
    waited for. On the CPU every state has its own.
    """
    waiting: Pending | None = None
    with closing(states):
        for state in states:
            current = Pending(project(state.denoised, projection))
            shown: NDArray[np.uint8] | None = None
            if current.ready or state.sigma == 0:
                waiting, shown = None, current.pixels()
            else:
                if waiting is not None and waiting.ready:
                    shown = waiting.pixels()
                waiting = current
            yield state, shown
