"""From values on wires to what the torch library samples with: the model with all that rides on it, the conditioning's parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol, runtime_checkable

import torch

from studio.diffusion.guidance import AwayFromWeak, Guidance
from studio.diffusion.masks import Inpainting
from studio.diffusion.model import Adapter, Conditioned, LoadedModel
from studio.diffusion.noise_schedule import FlowSchedule
from studio.diffusion.regions import Area, Part
from studio.diffusion.timing import WHOLE_RUN, Curve, Window
from studio.sdk import Conditioning, Latent, Mask, Model, ValueRefused, running

TRAINED: Final = "trained"
"""Option of a `Model`: the arguments of `LoadedModel.trained_as`."""


@runtime_checkable
class Riding(Protocol):
    """An adapter on a value, whose weights are behind a resident until it is needed."""

    def adapter(self) -> Adapter:
        """With its weights on the device."""


def loaded(model: Model) -> LoadedModel:
    """The network on the device, as it is taken to be trained, with the adapters that ride on the value."""
    network: LoadedModel = running().use(model.weights)
    if trained := model.options.get(TRAINED):
        network = network.trained_as(**trained)
    if (shift := model.options.get("shift")) is not None and isinstance(network.noise, FlowSchedule):
        network = replace(network, noise=replace(network.noise, shift=float(shift)))
    riding: Sequence[Adapter | Riding] = model.options.get("adapters", ())
    adapters = tuple(one.adapter() if isinstance(one, Riding) else one for one in riding)
    return replace(network, adapters=adapters) if adapters else network


def inpainting_of(latent: Latent, at: int | None = None) -> Inpainting | None:
    """What of the latent is made anew; None for all of it. `at`: for that item of the batch alone."""
    if latent.mask is None:
        return None
    mask = torch.from_numpy(latent.mask.values.copy())
    surroundings = latent.surroundings

    def item(tensor: torch.Tensor) -> torch.Tensor:
        return tensor if at is None or len(tensor) == 1 else tensor[at : at + 1]

    return Inpainting(item(mask), latent.gradual, None if surroundings is None else item(surroundings))


def with_adapter(model: Model, adapter: Adapter | Riding) -> Model:
    """The model with one more adapter."""
    return model.with_options(adapters=(*model.options.get("adapters", ()), adapter))


def guidance_of(model: Model, scale: float) -> Guidance:
    """The kind of guidance that rides on the model; `scale` where it has no curve of its own."""
    riding: Mapping[str, Any] = model.options.get("guidance", {})
    changes = {**riding}
    if "neutral" in changes:
        changes["neutral"] = parts_of(changes["neutral"], model, "model")
    curve: Curve | None = changes.pop("curve", None)
    return Guidance(curve if curve is not None else scale, **changes)


def distilled(network: LoadedModel, positive: Conditioning | None, scale: float) -> float:
    """The guidance that rides on the prompt where the network takes it as an input; else `scale`."""
    riding = positive.extra.get("guidance") if positive is not None else None
    return float(riding) if riding is not None and network.family.takes_guidance(network) else scale


def with_guidance(model: Model, **changes: Any) -> Model:  # noqa: ANN401 - fields of Guidance, and `curve`
    """The model with another kind of guidance; what was set before and is not named stays."""
    return model.with_options(guidance={**model.options.get("guidance", {}), **changes})


def with_weakening(model: Model, weak: AwayFromWeak) -> Model:
    """The model with one more guidance away from a weakened network."""
    return with_guidance(model, weak=(*model.options.get("guidance", {}).get("weak", ()), weak))


def each(conditioning: Conditioning) -> list[Conditioning]:
    """The single conditionings that were combined."""
    others: Sequence[Conditioning] = conditioning.extra.get("others", ())
    own = {name: value for name, value in conditioning.extra.items() if name != "others"}
    return [replace(conditioning, extra=own), *others]


def combined(conditionings: Sequence[Conditioning]) -> Conditioning:
    """Several conditionings as one value. Raises `ValueRefused` where they are for different families."""
    first, *others = [one for several in conditionings for one in each(several)]
    for other in others:
        if other.family != first.family:
            raise ValueRefused(
                f"One conditioning is for '{first.family}', the other for '{other.family}'.",
                socket="second",
                mend="Encode both with the text encoder of the same checkpoint.",
            )
    return replace(first, extra={**first.extra, "others": others}) if others else first


def changed(conditioning: Conditioning, **extra: Any) -> Conditioning:  # noqa: ANN401 - values of a conditioning's extra
    """Each of the combined conditionings with these further values."""
    return combined([replace(one, extra={**one.extra, **extra}) for one in each(conditioning)])


def parts_of(conditioning: Conditioning, model: Model, socket: str) -> tuple[Part, ...]:
    """As the torch library takes it. Raises `ValueRefused` where it was made for another family than the model's."""
    return tuple(_part(one, model, socket) for one in each(conditioning))


def window_of(conditioning: Conditioning) -> Window:
    """The share of a run in which a single conditioning speaks."""
    window: Sequence[float] | None = conditioning.extra.get("window")
    return Window(*window) if window is not None else WHOLE_RUN


def _part(conditioning: Conditioning, model: Model, socket: str) -> Part:
    extra = conditioning.extra
    region: Mask | None = extra.get("region")
    area: Sequence[float] | None = extra.get("area")
    return Part(
        _conditioned(conditioning, model, socket),
        window_of(conditioning),
        extra.get("strength", 1.0),
        None if region is None else torch.from_numpy(region.values.copy()),
        None if area is None else Area(*area),
        tuple(one.control() for one in extra.get("controls", ())),
    )


def _conditioned(conditioning: Conditioning, model: Model, socket: str) -> Conditioned:
    if conditioning.family != model.family:
        raise ValueRefused(
            f"This was read by a text encoder for '{conditioning.family}'; the model is '{model.family}'.",
            socket=socket,
            mend="Encode the prompt with the text encoder of the same checkpoint.",
        )
    tensors = conditioning.tensors
    extras = {name.removeprefix("extras."): one for name, one in tensors.items() if name.startswith("extras.")}
    return Conditioned(tensors["embeds"], tensors.get("pooled"), tensors.get("mask"), extras)
