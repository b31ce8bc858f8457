"""ControlNets and T2I-Adapters: a picture says where things are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

from nodes.model import dtypes_of
from nodes.steered import changed, combined, each
from studio.diffusion.controlnet import Controlled, LoadedControlNet, latent_hint, load_controlnet, picture_hint
from studio.diffusion.device import computed
from studio.diffusion.digest import digest
from studio.diffusion.regions import Control
from studio.diffusion.timing import Curve, Window
from studio.library import models
from studio.sdk import (
    VAE,
    Conditioning,
    ControlNet,
    Image,
    ModelPicker,
    Number,
    Resident,
    Slider,
    ValueRefused,
    node,
    running,
)

PIXELS = 8
"""Pixels of a hint picture for one latent pixel, as the networks' authors chose it."""


def _content(control_net: str) -> str:
    return models.content_hash(models.resolve(control_net, "controlnet"))


@node(
    "model/LoadControlNet", title="Load ControlNet", fingerprint=_content, aliases=("t2i adapter", "ControlNetLoader")
)
def load(
    control_net: str = ModelPicker("controlnet"),
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto",
) -> ControlNet:
    """Open a ControlNet or T2I-Adapter of the library. It has to be made for the family of the model that it steers.

    Args:
        control_net: A folder in the layout of diffusers, or a single file for Stable Diffusion 1, 2 or XL.
        precision: Number format of the weights. Auto takes what suits the device.
    """
    path = models.resolve(control_net, "controlnet")
    dtype = computed(dtypes_of(precision, "", "").network)
    weights: Resident[LoadedControlNet] = Resident(
        f"{models.content_hash(path)}/{dtype}",
        control_net,
        lambda: load_controlnet(path, dtype),
        lambda held: held.modules,
    )
    return ControlNet(weights, "")


@dataclass(frozen=True, slots=True, eq=False)
class AppliedControl:
    """A ControlNet on a conditioning."""

    control_net: ControlNet
    image: Image
    vae: VAE | None
    strength: Curve
    window: Window
    mode: int

    def residents(self) -> tuple[Resident[Any], ...]:
        return (*self.control_net.residents(), *(self.vae.residents() if self.vae is not None else ()))

    def control(self) -> Control:
        """As the torch library takes it, the weights on the device. Raises `ValueRefused` where a VAE is missing."""
        context = running()
        network: LoadedControlNet = context.use(self.control_net.weights)
        picture = torch.from_numpy(self.image.rgb().pixels.copy())
        if not network.takes_latents:
            hint = picture_hint(picture, PIXELS)
        elif self.vae is None:
            raise ValueRefused(
                "A ControlNet on the conditioning takes the hint through a VAE, and has none.",
                socket="positive",
                mend="Connect the model's VAE to Apply ControlNet.",
            )
        else:
            hint = latent_hint(picture, context.use(self.vae.weights), network.without_shift)
        key = digest(self.control_net.weights.key, picture, self.vae.weights.key if self.vae is not None else None)
        steering = Controlled(network, hint, key, self.image.batch, self.mode if self.mode >= 0 else None)
        return Control(steering, self.strength, self.window)


@node(
    "conditioning/ApplyControlNet",
    title="Apply ControlNet",
    aliases=("t2i adapter", "ControlNetApply", "ControlNetApplyAdvanced"),
)
def apply_control_net(
    conditioning: Conditioning,
    control_net: ControlNet,
    image: Image,
    vae: VAE | None = None,
    strength: float = Slider(1.0, 0, 2),
    start: float = Slider(0.0, 0, 1),
    end: float = Slider(1.0, 0, 1),
    fade: float = Slider(1.0, 0, 2, advanced=True),
    mode: int = Number(-1, -1, 31, step=1, advanced=True),
) -> Conditioning:
    """Steer a prompt by a picture: of edges, depth, a pose. Several can be chained, each with a window and a strength of its own.

    Put it on the positive prompt: the negative one then follows the same picture, unless it has a ControlNet itself.

    Args:
        conditioning: The prompt, or several that were combined.
        control_net: Made for the model's family, and for this kind of picture.
        image: What it goes by, as a preprocessor makes it. It is resized to the picture in the making.
        vae: The model's VAE, for ControlNets of Stable Diffusion 3 and Flux.
        strength: How strongly; 0 leaves it out.
        start: Where it begins, as a share of the run.
        end: Where it ends.
        fade: The strength changes evenly until this share of it is left at the end of the run.
        mode: For networks that know several kinds of pictures, the number of this kind; -1 for others.
    """
    window = Window(start, end)
    if strength == 0:
        return conditioning
    curve = Curve.level(strength) if fade == 1 else Curve(((0.0, strength), (1.0, strength * fade)))
    applied = AppliedControl(control_net, image, vae, curve, window, mode)
    return combined([changed(one, controls=[*_controls(one), applied]) for one in each(conditioning)])


def _controls(conditioning: Conditioning) -> Sequence[AppliedControl]:
    controls: Sequence[AppliedControl] = conditioning.extra.get("controls", ())
    return controls
