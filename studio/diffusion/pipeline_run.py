"""Calling a whole pipeline of diffusers: its arguments checked against its signature, its steps reported, its result taken apart.

Steps are heard where every pipeline takes them, at its scheduler. `callback_on_step_end` is missing in a third of them, and shows the noisy
latent where the scheduler knows the predicted x0.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from studio.diffusion.device import device_of, is_out_of_memory
from studio.diffusion.families.sd1 import FAMILY as SD1
from studio.diffusion.families.shared import kl_latents
from studio.diffusion.foreign import Foreign
from studio.diffusion.model import LoadedVAE
from studio.diffusion.noise import SEEDS
from studio.diffusion.pipelines import LoadedPipeline
from studio.diffusion.preview import Projection, ProjectionOf, pixel_projection
from studio.graph.errors import ValueRefused, WirelightError

ARGUMENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "prompt": ("prompt",),
    "negative": ("negative_prompt",),
    "image": ("image", "images", "init_image", "input_image", "conditioning_image", "condtioning_image", "source_image"),
    "second_image": ("control_image", "reference_image", "example_image", "last_image", "hint"),
    "mask": ("mask_image", "mask"),
    "video": ("video", "frames"),
    "width": ("width",),
    "height": ("height",),
    "batch": (
        "num_images_per_prompt", "num_videos_per_prompt", "num_waveforms_per_prompt", "num_images_per_noise", "batch_size",
    ),
    "steps": ("num_inference_steps",),
    "guidance": ("guidance_scale",),
    "strength": ("strength",),
    "frames": ("num_frames", "video_length"),
    "seconds": ("audio_length_in_s", "audio_duration", "audio_end_in_s", "duration", "max_seconds"),
}  # fmt: skip
"""What our nodes call an argument, and what pipelines do; the first that a pipeline has is meant."""
OWN: Final = frozenset(
    {"return_dict", "output_type", "generator", "latents", "callback", "callback_steps", "callback_on_step_end",
     "callback_on_step_end_tensor_inputs"}
)  # fmt: skip
"""Arguments that are given here and by nobody else."""


@dataclass(frozen=True, slots=True)
class PipelineStep:
    """A step that a pipeline has done."""

    index: int
    """From 1."""
    of: int
    sigma: float
    """Noise level reached; 0 where the scheduler does not say."""
    latent: Tensor
    """Predicted x0 where the scheduler gives it, else the noisy latent; as the network takes it, packed or not."""


Report: TypeAlias = Callable[[PipelineStep], None]


def argument_name(loaded: LoadedPipeline, ours: str) -> str | None:
    """What the pipeline calls one of our `ARGUMENTS`; None where it does not take it."""
    return next((name for name in ARGUMENTS[ours] if name in loaded.arguments), None)


def arguments_for(
    loaded: LoadedPipeline, given: Mapping[str, Foreign], more: Mapping[str, Foreign]
) -> dict[str, Foreign]:
    """The pipeline's own names for what is `given` by ours, and `more` under its own names.

    Raises ValueRefused, with our name as the socket, for what this pipeline does not take, and for what it needs and did not get.
    """
    arguments: dict[str, Foreign] = {}
    for ours, value in given.items():
        name = argument_name(loaded, ours)
        if name is None:
            raise ValueRefused(f"{loaded.kind} takes no {ours.replace('_', ' ')}.", socket=ours, mend=_mend(loaded))
        arguments[name] = value
    for name, value in more.items():
        if name not in loaded.arguments or name in OWN:
            raise ValueRefused(f"{loaded.kind} takes no '{name}'.", socket="more", mend=_mend(loaded))
        arguments[name] = value
    # An empty prompt is one, unless the words come already read.
    if "prompt" in loaded.arguments and not any(name.startswith("prompt") for name in arguments):
        arguments["prompt"] = ""
    for name, one in loaded.arguments.items():
        if one.default is one.empty and one.kind is not one.VAR_POSITIONAL and name not in arguments:
            ours = next((key for key, names in ARGUMENTS.items() if name in names), "more")
            raise ValueRefused(
                f"{loaded.kind} needs '{name}'.",
                socket=ours,
                mend="Connect it, or write it under More; what another pipeline makes goes into Embeds.",
            )
    return arguments


def _mend(loaded: LoadedPipeline) -> str:
    taken = {argument_name(loaded, ours): ours.replace("_", " ") for ours in ARGUMENTS}
    by_hand = [name for name in loaded.arguments if name not in taken and name not in OWN]
    ours = ", ".join(title for name, title in taken.items() if name is not None)
    return f"It takes {ours}; and under More: {', '.join(by_hand) or 'nothing'}."


def call_pipeline(
    loaded: LoadedPipeline, arguments: Mapping[str, Foreign], seed: int, report: Report, *, arrays: bool = True
) -> Foreign:
    """The pipeline's result: with `arrays` floating-point arrays, else in the form that it gives by itself.

    Random numbers come from a generator on the CPU; of several results in one call, each has a generator of its own, seeded `seed`, `seed`
    + 1 ... `report` is called after every step and may raise, to cancel. Raises ValueRefused for what the pipeline refuses, and for a step
    that is not finite.
    """
    pipeline, known = loaded.pipeline, loaded.arguments
    options: dict[str, Foreign] = dict(arguments)
    batch_name = argument_name(loaded, "batch")
    batch = int(options.get(batch_name, 1)) if batch_name is not None else 1
    if "generator" in known:
        generators = [torch.Generator().manual_seed((seed + item) % SEEDS) for item in range(batch)]
        options["generator"] = generators if batch > 1 else generators[0]
    if arrays and "output_type" in known:
        options["output_type"] = "np"
    if "return_dict" in known:
        options["return_dict"] = True
    with _heard(loaded, report):
        try:
            return pipeline(**options)
        except WirelightError:
            raise
        except (
            ValueError,
            TypeError,
            NotImplementedError,
            AttributeError,
            KeyError,
            IndexError,
            RuntimeError,
        ) as error:
            if is_out_of_memory(error):
                raise
            raise ValueRefused(f"{loaded.kind} refused: {error}", mend=_mend(loaded)) from error


@contextmanager
def _heard(loaded: LoadedPipeline, report: Report) -> Iterator[None]:
    """Within the block every step of the pipeline's schedulers is reported. They are fresh ones: some remember their last run."""
    from diffusers import SchedulerMixin

    for name, part in loaded.parts.items():
        if isinstance(part, SchedulerMixin):
            old: Foreign = part
            fresh = type(old).from_config(old.config)
            fresh.step = _Heard(fresh, report)
            setattr(loaded.pipeline, name, fresh)
    try:
        yield
    finally:
        for part in loaded.parts.values():
            if isinstance(part, SchedulerMixin):
                vars(part).pop("step", None)


class _Heard:
    """A scheduler's `step`, which reports what it did."""

    def __init__(self, scheduler: Foreign, report: Report) -> None:
        self._scheduler = scheduler
        self._step = scheduler.step
        self._report = report
        self._done = 0
        # Pipelines look at the signature.
        functools.update_wrapper(self, self._step)

    def __call__(self, *args: Foreign, **options: Foreign) -> Foreign:
        result = self._step(*args, **options)
        latent = result[0]
        if isinstance(latent, Tensor):
            self._tell(latent, result, args[1] if len(args) > 1 else options.get("timestep"))
        return result

    def _tell(self, latent: Tensor, result: Foreign, time: Foreign) -> None:
        times = [float(one) for one in self._scheduler.timesteps]
        if self._done == 0 and time is not None and float(time) in times:
            # Work on a given picture begins part of the way down.
            self._done = times.index(float(time))
        self._done += 1
        if latent.is_floating_point() and not bool(latent.isfinite().all()):
            raise ValueRefused(
                f"The latent is not finite from step {self._done} on.",
                mend="Try a wider number format for the model (float32 or bfloat16), less guidance, or another file of the model.",
            )
        values = result.to_tuple() if hasattr(result, "to_tuple") else result
        clean = next((one for one in values[1:] if isinstance(one, Tensor) and one.shape == latent.shape), latent)
        self._report(PipelineStep(self._done, max(len(times), self._done), self._sigma(), clean))

    def _sigma(self) -> float:
        sigmas, at = getattr(self._scheduler, "sigmas", None), getattr(self._scheduler, "step_index", None)
        if not isinstance(sigmas, Tensor) or not isinstance(at, int) or not 0 <= at < len(sigmas):
            return 0.0
        return float(sigmas[at])


def preview_projection(loaded: LoadedPipeline) -> Callable[[], Projection | None]:
    """Latent to preview colours for what a pipeline's steps report: fitted to its VAE, or the pixels where it has none."""
    from diffusers import AutoencoderKL

    kl: Foreign = AutoencoderKL
    vae = loaded.parts.get("vae")
    if isinstance(vae, kl):
        return ProjectionOf(LoadedVAE(SD1, vae, kl_latents(vae.config)))
    if any(name.startswith(("vae", "vqvae", "movq", "vqgan")) for name in loaded.parts):
        return lambda: None
    return functools.partial(pixel_projection, 3)


def as_picture(latent: Tensor, width: int = 0, height: int = 0) -> Tensor:
    """A reported latent as `preview.project` takes it: packed patches (batch, patches, values) lie as in a picture of that size."""
    if latent.ndim != 3 or not latent.is_floating_point():
        return latent.float() if latent.ndim >= 3 else latent.float()[:, None]
    patches = latent.shape[1]
    rows = round(math.sqrt(patches * height / width)) if width and height else math.isqrt(patches)
    if rows < 1 or patches % rows:
        return latent
    return latent.movedim(1, 2).reshape(latent.shape[0], latent.shape[2], rows, patches // rows)


def pictures_of(result: Foreign) -> list[NDArray[np.float32]] | None:
    """The pictures of a result, each (height, width, channels) in [0, 1]; None where it has none."""
    found = _field(result, "images", "image", "prediction")
    return None if found is None else [picture for one in _each(found) for picture in _pictures(one)]


def frames_of(result: Foreign) -> list[NDArray[np.float32]] | None:
    """The frames of the first video of a result, each (height, width, 3) in [0, 1]; None where it has none."""
    found = _field(result, "frames", "videos", "video")
    if found is None:
        return None
    return [picture for one in _each(_each(found)[0]) for picture in _pictures(one)]


def sound_of(result: Foreign) -> NDArray[np.float32] | None:
    """(channels, samples) of the first sound of a result; None where it has none."""
    found = _field(result, "audios", "audio", "waveforms")
    if found is None:
        return None
    samples = _array(_each(found)[0])
    return samples[None] if samples.ndim == 1 else samples.reshape(-1, samples.shape[-1])


def sound_rate(loaded: LoadedPipeline) -> int | None:
    """Samples a second of a pipeline's sound; None where its parts do not say."""
    for name in ("vocoder", "vae", "audio_vae", "unet", "feature_extractor"):
        part = loaded.parts.get(name)
        for holder in (getattr(part, "config", None), part):
            for field in ("sampling_rate", "sample_rate", "output_sampling_rate"):
                rate = getattr(holder, field, None)
                if isinstance(rate, (int, float)) and rate > 0:
                    return int(rate)
    return None


def tensors_of(result: Foreign) -> dict[str, Tensor]:
    """The tensors of a result by their names, such as the embeddings that the first stage of two makes."""
    return (
        {name: one.detach() for name, one in result.items() if isinstance(one, Tensor)}
        if isinstance(result, Mapping)
        else {}
    )


def placed(loaded: LoadedPipeline, tensors: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """Those of the tensors that the pipeline takes, where it runs. Raises ValueRefused where it takes none of them."""
    taken = {name: one for name, one in tensors.items() if name in loaded.arguments and name not in OWN}
    if not taken:
        raise ValueRefused(
            f"{loaded.kind} takes none of {', '.join(tensors) or 'these embeddings'}.",
            socket="embeds",
            mend=_mend(loaded),
        )
    device = device_of(loaded.modules[0])
    return {name: one.to(device, dtype if one.is_floating_point() else None) for name, one in taken.items()}


def _field(result: Foreign, *names: str) -> Foreign:
    return next((result[name] for name in names if isinstance(result, Mapping) and result.get(name) is not None), None)


def _each(values: Foreign) -> Sequence[Foreign]:
    """The items of a list or of an array's first dimension."""
    return values if isinstance(values, (list, tuple)) else list(values)


def _pictures(one: Foreign) -> list[NDArray[np.float32]]:
    if isinstance(one, (list, tuple)):
        return [picture for inner in one for picture in _pictures(inner)]
    array = _array(one)
    if array.ndim == 4:
        return [picture for inner in array for picture in _pictures(inner)]
    if array.ndim == 2:
        array = array[:, :, None]
    if array.shape[-1] not in (1, 3, 4) and array.shape[0] in (1, 3, 4):
        array = np.moveaxis(array, 0, -1)
    return [array]


def _array(one: Foreign) -> NDArray[np.float32]:
    """float32; 8-bit pictures as 0 .. 1."""
    array = one.detach().float().cpu().numpy() if isinstance(one, Tensor) else np.asarray(one)
    if array.dtype == np.uint8:
        return (array / np.float32(255)).astype(np.float32)
    return array.astype(np.float32)
