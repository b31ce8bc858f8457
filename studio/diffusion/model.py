"""What a loaded checkpoint is made of: the denoising network, the text encoders, the VAE, and what they produce."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import torch
from torch import Tensor, nn

from studio.diffusion.foreign import Foreign
from studio.diffusion.noise_schedule import BetaSchedule, FlowSchedule, NoiseSchedule
from studio.diffusion.prediction import Parametrization, Prediction
from studio.graph.errors import ValueRefused

if TYPE_CHECKING:
    from studio.diffusion.family import Family
    from studio.diffusion.preview import Projection


@dataclass(frozen=True, slots=True)
class LatentFormat:
    """How latents of a model look. Latents between nodes are scaled: (what the VAE encodes - shift) * scaling."""

    channels: int
    factor: int
    """Pixels along an edge for one latent pixel."""
    scaling: float = 1.0
    shift: float = 0.0
    patch: int = 1
    """Latent pixels along an edge that the network takes together: edges are multiples of it."""

    def shape(self, width: int, height: int, batch: int = 1) -> tuple[int, int, int, int]:
        """(batch, channels, height, width) of the latent for a picture of that size in pixels, rounded down."""
        height, width = (edge // (self.factor * self.patch) * self.patch for edge in (height, width))
        return batch, self.channels, height, width


Residuals: TypeAlias = Tensor | Sequence[Tensor]
"""What is added inside a network: one tensor, or one for each of its blocks; first dimension = rows of the call."""


class Adapter(Protocol):
    """Changes how a network answers for the length of a run, and nothing of its weights: afterwards it is what it was, bit for bit."""

    def attached(self, network: nn.Module) -> AbstractContextManager[Callable[[int, int], None]]:
        """Within the block the network answers changed. What it gives is told (step, steps) before each forward."""

    def depends_at(self, step: int, steps: int) -> bytes:
        """A digest of all that the answers at a step depend on; empty where it does nothing then."""


class Steering(Protocol):
    """A network beside the denoising one, that adds to what happens inside of it: a ControlNet, a T2I-Adapter."""

    def added(self, call: Mapping[str, Any], strength: float, items: Sequence[int]) -> Mapping[str, Residuals]:
        """Residuals for a call of the denoising network with the arguments `call`, by the name of the argument that takes them.

        `items`: for every row of the call, which latent of the batch it is. Raises ValueRefused where the network is not one that it fits.
        """

    def cropped(self, box: tuple[int, int, int, int], height: int, width: int) -> Steering:
        """The same for a crop (top, bottom, left, right) of a latent of that height and width."""

    def digest(self) -> bytes:
        """Of all that `added` depends on beside its arguments."""


@dataclass(frozen=True, slots=True, eq=False)
class LoadedModel:
    """A denoising network and what is needed to sample with it."""

    family: Family
    network: nn.Module
    prediction: Parametrization
    noise: NoiseSchedule
    latents: LatentFormat
    size: tuple[int, int]
    """(width, height) in pixels that the model was trained at."""
    projection: Callable[[], Projection | None] = field(default=lambda: None)
    """Latent to preview colours; None where nothing is known of the format."""
    adapters: tuple[Adapter, ...] = ()
    """What changes how the network answers for the length of a run."""

    @property
    def modules(self) -> tuple[nn.Module, ...]:
        """What has to be on the device to sample."""
        return (self.network,)

    def trained_as(
        self, prediction: Prediction | None = None, *, zero_terminal: bool = False, shift: float | None = None
    ) -> LoadedModel:
        """The same network, taken to be trained otherwise than its file says; None for what the file says.

        `zero_terminal`: the last training step is pure noise. `shift`: of the noise levels of flow matching. Raises ValueRefused for
        what makes no sense for its kind of model.
        """
        if isinstance(self.noise, FlowSchedule):
            if prediction is not None or zero_terminal:
                raise ValueRefused(
                    "A flow model predicts noise - x0, and its last step is pure noise anyway.",
                    socket="prediction" if prediction is not None else "zero_terminal",
                    mend="Only the shift can be changed.",
                )
            return self if shift is None else replace(self, noise=replace(self.noise, shift=shift))
        if not isinstance(self.noise, BetaSchedule) or not isinstance(self.prediction, Prediction):
            raise ValueRefused("What this model predicts is known, and cannot be changed.", socket="model")
        if shift is not None:
            raise ValueRefused(
                "Only flow models have a shift.", socket="shift", mend="Set it to 0, which leaves it to the model."
            )
        predicts = prediction or self.prediction
        if predicts is Prediction.FLOW or (zero_terminal and predicts is Prediction.EPSILON):
            raise ValueRefused(
                "Noise cannot be predicted from noise alone.",
                socket="zero_terminal",
                mend="Models with a last step of pure noise predict v; choose v_prediction.",
            )
        noise = replace(self.noise, zero_terminal=zero_terminal or self.noise.zero_terminal)
        return replace(self, prediction=predicts, noise=noise)


@dataclass(frozen=True, slots=True, eq=False)
class LoadedTextEncoder:
    """Tokenizers and text encoders of a family, in the family's order."""

    family: Family
    tokenizers: tuple[Foreign, ...]
    encoders: tuple[nn.Module, ...]
    instruction: str | None = None
    """What a language model is told before the prompt; None for the family's own words. Families without a language model ignore it."""

    @property
    def modules(self) -> tuple[nn.Module, ...]:
        """What has to be on the device to encode."""
        return self.encoders


@dataclass(frozen=True, slots=True, eq=False)
class LoadedVAE:
    """The autoencoder between pictures and latents."""

    family: Family
    network: nn.Module
    latents: LatentFormat

    @property
    def modules(self) -> tuple[nn.Module, ...]:
        """What has to be on the device to encode or decode."""
        return (self.network,)


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """All parts that one file or folder holds; what it lacks is None."""

    model: LoadedModel
    text_encoder: LoadedTextEncoder | None
    vae: LoadedVAE | None


@dataclass(frozen=True, slots=True, eq=False)
class Conditioned:
    """A prompt, or a list of prompts, as the network takes it."""

    embeds: Tensor
    """(prompts, tokens, width)."""
    pooled: Tensor | None = None
    """(prompts, width): one vector for the whole prompt, where the family has it."""
    mask: Tensor | None = None
    """(prompts, tokens): 1 where a token is to be seen, where the family masks."""
    extras: Mapping[str, Tensor] = field(default_factory=dict)
    """What else the family's network takes, by the name it gives it; first dimension = prompts."""
    steered: tuple[tuple[Steering, float], ...] = ()
    """What steers the network beside the text in this forward, and how strongly."""

    @classmethod
    def nothing(cls) -> Conditioned:
        """For a network that takes no prompt."""
        return cls(torch.zeros(1, 0, 0))

    @property
    def prompts(self) -> int:
        """Number of prompts."""
        return self.embeds.shape[0]

    def item(self, index: int) -> Conditioned:
        """The one prompt at `index`; the only one, where there is but one."""
        at = index if self.prompts > 1 else 0

        def one(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor[at : at + 1]

        extras = {name: tensor[at : at + 1] for name, tensor in self.extras.items()}
        return Conditioned(self.embeds[at : at + 1], one(self.pooled), one(self.mask), extras)
