"""Whole pipelines of diffusers, for models that the other nodes do not know."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pictures

from nodes.model import TEXT_PRECISIONS, VAE_PRECISIONS, Precision, dtypes_of
from studio.diffusion.pipeline_run import (
    PipelineStep,
    arguments_for,
    as_picture,
    call_pipeline,
    frames_of,
    pictures_of,
    placed,
    preview_projection,
    sound_of,
    sound_rate,
    tensors_of,
)
from studio.diffusion.pipelines import LoadedPipeline, dtype_of_pipeline, load_pipeline, pipeline_class
from studio.diffusion.preview import preview
from studio.diffusion.weights.folder import ModelFolder
from studio.library import models
from studio.sdk import (
    Audio,
    Choice,
    Conditioning,
    Image,
    Mask,
    ModelPicker,
    Number,
    Pipeline,
    Prompt,
    Resident,
    Seed,
    Slider,
    TextArea,
    Toggle,
    ValueRefused,
    Video,
    When,
    node,
    running,
)

LARGEST: Final = 16384


def _content(model: str) -> str:
    return models.content_hash(models.resolve(model, "checkpoint"))


@node(
    "model/LoadPipeline", fingerprint=_content, aliases=("diffusers", "DiffusionPipeline", "folder", "Kandinsky", "IF")
)
def load_pipeline_(
    model: str = ModelPicker("checkpoint"),
    precision: Precision = "auto",
    text_precision: str = Choice(*TEXT_PRECISIONS, advanced=True),
    vae_precision: str = Choice(*VAE_PRECISIONS, advanced=True),
) -> Pipeline:
    """Open a folder of diffusers as a whole, to be run as its authors run it. For models that Load checkpoint does not know.

    No code that lies in the folder is run, and nothing is fetched from the network.

    Args:
        model: The folder, the one that holds model_index.json.
        precision: Number format of the network's weights, as in Load checkpoint.
        text_precision: The same for what reads prompts.
        vae_precision: The same for the VAE. Some VAEs make black pictures in float16; float32 never does.
    """
    path = models.resolve(model, "checkpoint")
    kind = pipeline_class(ModelFolder.open(path)).__name__
    dtypes = dtypes_of(precision, text_precision, vae_precision)
    key = f"{models.content_hash(path)}/pipeline/{dtypes.network}/{dtypes.text_encoder}/{dtypes.vae}"
    return Pipeline(Resident(key, model, partial(load_pipeline, path, dtypes), lambda held: held.modules), kind)


@node(
    "pipeline/Picture", title="Pipeline to picture", live=True, aliases=("diffusers", "generate", "DeepFloyd", "Chroma")
)
def picture(
    pipeline: Pipeline,
    image: Image | None = None,
    second_image: Image | None = None,
    mask: Mask | None = None,
    embeds: Conditioning | None = None,
    prompt: str = Prompt(placeholder="What should be in the picture?"),
    negative: str = Prompt(lines=2, placeholder="What should not?"),
    seed: int = Seed(),
    steps: int = Number(0, 0, 10_000, step=1),
    set_guidance: bool = Toggle(False),
    guidance: float = Slider(5.0, 0, 30, step=0.1, when=When("set_guidance")),
    width: int = Number(0, 0, LARGEST, step=8, unit="px"),
    height: int = Number(0, 0, LARGEST, step=8, unit="px"),
    strength: float = Slider(0.0, 0, 1, advanced=True),
    batch: int = Number(1, 1, 64, step=1, advanced=True),
    more: str = TextArea(placeholder="clip_skip = 1", advanced=True),
) -> Image:
    """Make pictures with a whole pipeline. What the pipeline does not take is refused, with a list of what it does.

    Every step is shown as far as the pipeline's latent is understood. A number of 0 leaves the choice to the pipeline.

    Args:
        pipeline: From Load pipeline.
        image: A picture to begin with, to enlarge, or to look at, whichever the pipeline does.
        second_image: A picture that steers: a control picture, a reference.
        mask: What is to be made anew; white is.
        embeds: What the first pipeline of two has made, such as Kandinsky's or Stable Cascade's prior.
        prompt: What should be in the picture.
        negative: What should not be in the picture.
        seed: Where the random numbers begin. The same seed gives the same picture; of a batch, each has the next one.
        steps: More steps are slower and finer.
        set_guidance: Choose how strictly the prompt is followed, rather than leaving it to the pipeline.
        guidance: How strictly the prompt is followed.
        width: Width of the picture.
        height: Height of the picture.
        strength: How much of a given picture is made anew.
        batch: Pictures made at once.
        more: Any other argument of the pipeline, one a line, as `name = value` in Python.
    """
    given = _given(prompt=prompt, negative=negative, steps=steps, width=width, height=height, strength=strength)
    given |= _pictures(image=image, second_image=second_image)
    if mask is not None:
        given["mask"] = [Pictures.fromarray(one) for one in (mask.values * 255).round().astype(np.uint8)]
        given["mask"] = given["mask"][0] if len(given["mask"]) == 1 else given["mask"]
    if set_guidance:
        given["guidance"] = guidance
    if batch > 1:
        given["batch"] = batch
    ran = _run(pipeline, given, more, embeds, seed, (width, height))
    found = pictures_of(ran.result)
    if not found:
        raise _other(ran, "pictures")
    channels = max(one.shape[-1] for one in found)
    return Image.stack([_image(one).with_channels(channels) for one in found])


@node("pipeline/Video", title="Pipeline to video", live=True, aliases=("diffusers", "animate", "movie", "frames"))
def video_(
    pipeline: Pipeline,
    image: Image | None = None,
    second_image: Image | None = None,
    video: Video | None = None,
    embeds: Conditioning | None = None,
    prompt: str = Prompt(placeholder="What should happen?"),
    negative: str = Prompt(lines=2, placeholder="What should not?"),
    seed: int = Seed(),
    steps: int = Number(0, 0, 10_000, step=1),
    set_guidance: bool = Toggle(False),
    guidance: float = Slider(5.0, 0, 30, step=0.1, when=When("set_guidance")),
    width: int = Number(0, 0, LARGEST, step=8, unit="px"),
    height: int = Number(0, 0, LARGEST, step=8, unit="px"),
    frames: int = Number(0, 0, 10_000, step=1),
    rate: float = Number(16.0, 1, 240, unit="fps"),
    strength: float = Slider(0.0, 0, 1, advanced=True),
    more: str = TextArea(placeholder="decode_timestep = 0.05", advanced=True),
) -> Video:
    """Make a video with a whole pipeline. What the pipeline does not take is refused, with a list of what it does.

    Every step is shown as far as the pipeline's latent is understood. A number of 0 leaves the choice to the pipeline.

    Args:
        pipeline: From Load pipeline.
        image: The first frame, or a picture to look at, whichever the pipeline takes.
        second_image: The last frame, a control picture or a reference.
        video: A video to be changed.
        embeds: What the first pipeline of two has made.
        prompt: What should happen.
        negative: What should not be seen.
        seed: Where the random numbers begin. The same seed gives the same video.
        steps: More steps are slower and finer.
        set_guidance: Choose how strictly the prompt is followed, rather than leaving it to the pipeline.
        guidance: How strictly the prompt is followed.
        width: Width of the video.
        height: Height of the video.
        frames: How many pictures long.
        rate: How fast it is played. Most models are trained at one rate; this does not change what they make.
        strength: How much of a given video is made anew.
        more: Any other argument of the pipeline, one a line, as `name = value` in Python.
    """
    given = _given(
        prompt=prompt, negative=negative, steps=steps, width=width, height=height, frames=frames, strength=strength
    )
    given |= _pictures(image=image, second_image=second_image)
    if video is not None:
        given["video"] = [Pictures.fromarray(one) for one in video.frames]
    if set_guidance:
        given["guidance"] = guidance
    ran = _run(pipeline, given, more, embeds, seed, (width, height))
    found = frames_of(ran.result)
    if not found:
        raise _other(ran, "a video")
    sound, hertz = sound_of(ran.result), sound_rate(ran.loaded)
    audio = Audio(sound, hertz) if sound is not None and hertz is not None else None
    return Video.of(Image.stack([_image(one) for one in found]), rate, audio)


@node("pipeline/Sound", title="Pipeline to sound", live=True, aliases=("diffusers", "music", "AudioLDM", "audio"))
def sound_(
    pipeline: Pipeline,
    embeds: Conditioning | None = None,
    prompt: str = Prompt(placeholder="What should be heard?"),
    negative: str = Prompt(lines=2, placeholder="What should not?"),
    seed: int = Seed(),
    steps: int = Number(0, 0, 10_000, step=1),
    set_guidance: bool = Toggle(False),
    guidance: float = Slider(5.0, 0, 30, step=0.1, when=When("set_guidance")),
    seconds: float = Number(0.0, 0, 3600, unit="s"),
    more: str = TextArea(advanced=True),
) -> Audio:
    """Make a sound with a whole pipeline. What the pipeline does not take is refused, with a list of what it does.

    A number of 0 leaves the choice to the pipeline.

    Args:
        pipeline: From Load pipeline.
        embeds: What another pipeline has made.
        prompt: What should be heard.
        negative: What should not be heard.
        seed: Where the random numbers begin. The same seed gives the same sound.
        steps: More steps are slower and finer.
        set_guidance: Choose how strictly the prompt is followed, rather than leaving it to the pipeline.
        guidance: How strictly the prompt is followed.
        seconds: How long.
        more: Any other argument of the pipeline, one a line, as `name = value` in Python.
    """
    given = _given(prompt=prompt, negative=negative, steps=steps, seconds=seconds)
    if set_guidance:
        given["guidance"] = guidance
    ran = _run(pipeline, given, more, embeds, seed, (0, 0))
    samples, hertz = sound_of(ran.result), sound_rate(ran.loaded)
    if samples is None:
        raise _other(ran, "a sound")
    if hertz is None:
        raise ValueRefused(f"The parts of {ran.loaded.kind} do not say at which rate its sound is played.")
    return Audio(samples, hertz)


@node(
    "pipeline/Embeddings", title="Pipeline to embeddings", live=True, aliases=("prior", "Kandinsky", "Stable Cascade")
)
def embeddings(
    pipeline: Pipeline,
    image: Image | None = None,
    prompt: str = Prompt(placeholder="What should be in the picture?"),
    negative: str = Prompt(lines=2, placeholder="What should not?"),
    seed: int = Seed(),
    steps: int = Number(0, 0, 10_000, step=1),
    set_guidance: bool = Toggle(False),
    guidance: float = Slider(4.0, 0, 30, step=0.1, when=When("set_guidance")),
    width: int = Number(0, 0, LARGEST, step=8, unit="px"),
    height: int = Number(0, 0, LARGEST, step=8, unit="px"),
    more: str = TextArea(advanced=True),
) -> Conditioning:
    """Run the first pipeline of two, a prior, whose result steers the second: link it to the second's Embeds.

    Args:
        pipeline: From Load pipeline.
        image: A picture to look at, where the pipeline takes one.
        prompt: What should be in the picture.
        negative: What should not be in the picture.
        seed: Where the random numbers begin.
        steps: More steps are slower and finer.
        set_guidance: Choose how strictly the prompt is followed, rather than leaving it to the pipeline.
        guidance: How strictly the prompt is followed.
        width: Width of the picture, where the pipeline has to know.
        height: Height of the picture.
        more: Any other argument of the pipeline, one a line, as `name = value` in Python.
    """
    given = _given(prompt=prompt, negative=negative, steps=steps, width=width, height=height) | _pictures(image=image)
    if set_guidance:
        given["guidance"] = guidance
    ran = _run(pipeline, given, more, None, seed, (width, height), arrays=False)
    found = tensors_of(ran.result)
    if not found:
        raise _other(ran, "embeddings")
    return Conditioning(
        {name: (one.float() if one.is_floating_point() else one).cpu() for name, one in found.items()}, ran.loaded.kind
    )


class _Ran(NamedTuple):
    loaded: LoadedPipeline
    result: Any


def _run(
    pipeline: Pipeline,
    given: Mapping[str, Any],
    more: str,
    embeds: Conditioning | None,
    seed: int,
    size: tuple[int, int],
    *,
    arrays: bool = True,
) -> _Ran:
    context = running()
    loaded: LoadedPipeline = context.use(pipeline.weights)
    by_hand = dict(_literals(more))
    if embeds is not None:
        by_hand |= placed(loaded, embeds.tensors, dtype_of_pipeline(loaded))
        if not given.get("prompt"):
            given = {name: value for name, value in given.items() if name != "prompt"}
    arguments = arguments_for(loaded, given, by_hand)
    projection = preview_projection(loaded)

    def report(step: PipelineStep) -> None:
        def shown() -> NDArray[np.uint8]:
            return preview(as_picture(step.latent, *size), projection())

        context.step(step.index, step.of, step.sigma, shown)

    with _in_tiles(loaded, context.tight_memory):
        result = call_pipeline(loaded, arguments, seed, report, arrays=arrays)
    context.checkpoint()
    flagged = result.get("nsfw_content_detected") if isinstance(result, Mapping) else None
    if flagged and any(flagged):
        context.log(
            f"The safety checker of {loaded.kind} has blackened {sum(map(bool, flagged))} of {len(flagged)} pictures."
        )
    return _Ran(loaded, result)


def _given(**values: str | float) -> dict[str, Any]:
    """What was filled in; empty texts and zeros leave the choice to the pipeline."""
    return {name: value for name, value in values.items() if value}


def _pictures(**images: Image | None) -> dict[str, Any]:
    """As pipelines take them: one picture, or a list. Transparency is left out."""
    found: dict[str, Any] = {}
    for name, image in images.items():
        if image is not None:
            batch = [Pictures.fromarray(one) for one in image.rgb().to_uint8()]
            found[name] = batch[0] if len(batch) == 1 else batch
    return found


def _literals(more: str) -> Iterator[tuple[str, Any]]:
    for line in filter(None, map(str.strip, more.splitlines())):
        name, _, value = (part.strip() for part in line.partition("="))
        try:
            literal = ast.literal_eval(value) if name.isidentifier() else None
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            literal = None
        if literal is None:
            raise ValueRefused(
                f"'{line}' is no argument.", socket="more", mend="Write one a line, such as: clip_skip = 1"
            )
        yield name, literal


def _image(pixels: NDArray[np.float32]) -> Image:
    if not np.isfinite(pixels).all():
        raise ValueRefused(
            "The picture is not finite.",
            mend="Try a wider number format for the model (float32 or bfloat16), or less guidance.",
        )
    return Image(np.ascontiguousarray(np.clip(pixels, 0, 1))[None])


def _other(ran: _Ran, wanted: str) -> ValueRefused:
    makers: dict[str, Callable[[Any], object]] = {
        "Pipeline to picture": pictures_of,
        "Pipeline to video": frames_of,
        "Pipeline to sound": sound_of,
        "Pipeline to embeddings": tensors_of,
    }
    fitting = [title for title, maker in makers.items() if maker(ran.result)]
    return ValueRefused(
        f"{ran.loaded.kind} did not make {wanted}.",
        socket="pipeline",
        mend=f"Use {fitting[0]}." if fitting else "What it makes has no node here yet.",
    )


@contextmanager
def _in_tiles(loaded: LoadedPipeline, tight: bool) -> Iterator[None]:
    """Where memory is short, VAEs that can work in tiles do."""
    tiling: list[Any] = [part for part in loaded.modules if tight and hasattr(part, "enable_tiling")]
    for part in tiling:
        part.enable_tiling()
    try:
        yield
    finally:
        for part in tiling:
            part.disable_tiling()
