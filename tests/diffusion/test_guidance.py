"""Kinds of guidance beside diffusers' own, and what a step says that it depends on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import DiffusionPipeline, EulerDiscreteScheduler, StableDiffusionPAGPipeline
from diffusers.guiders.adaptive_projected_guidance import normalized_guidance
from diffusers.guiders.classifier_free_zero_star_guidance import cfg_zero_star_scale
from torch import Tensor

from studio.diffusion import schedules
from studio.diffusion.denoise import OneForward
from studio.diffusion.foreign import Foreign
from studio.diffusion.freeu import FreeU
from studio.diffusion.guidance import AwayFromWeak, Guidance, Guided
from studio.diffusion.model import Checkpoint, Conditioned, LoadedModel
from studio.diffusion.regions import Part
from studio.diffusion.sampling import make_denoiser, sample
from studio.diffusion.timing import Curve, Window
from studio.diffusion.weaken import PerturbedAttention, SkippedLayers
from studio.graph.errors import ValueRefused
from tests.diffusion.analytic import distance
from tests.diffusion.test_pipelines import NEGATIVE, PROMPTS, conditionings

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

STEPS = 4


def pipeline_of(folder: Path, kind: Foreign = DiffusionPipeline) -> Foreign:
    more = {} if kind is DiffusionPipeline else {"safety_checker": None, "feature_extractor": None}
    pipeline = kind.from_pretrained(folder, dtype=torch.float32, **more)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = EulerDiscreteScheduler.from_config(pipeline.scheduler.config, timestep_spacing="trailing")
    return pipeline


def theirs(pipeline: Foreign, **more: Foreign) -> Tensor:
    generator = [torch.Generator().manual_seed(5)]
    options = {"num_inference_steps": STEPS, "guidance_scale": 6.0, "generator": generator, "output_type": "latent"}
    images: Tensor = pipeline(list(PROMPTS[:1]), negative_prompt=[NEGATIVE], **{**options, **more}).images
    return images


def ours(checkpoint: Checkpoint, guidance: float | Guidance = 6.0, **changes: Foreign) -> Tensor:
    positive, negative = conditionings(checkpoint, PROMPTS[:1])
    model = replace(checkpoint.model, adapters=changes.pop("adapters", ()))
    sigmas = schedules.sigmas("trailing", model.noise, STEPS)
    empty = torch.zeros(model.latents.shape(*model.size))
    given = {"positive": positive, "negative": negative, **changes}
    *_, state = sample(model, given["positive"], given["negative"], empty, sigmas, guidance=guidance, seed=5)
    return state.latent


def test_rescaled_guidance_is_the_pipeline_bit_for_bit(sd1: Checkpoint, sd1_folder: Path) -> None:
    assert torch.equal(ours(sd1, Guidance(6.0, rescale=0.7)), theirs(pipeline_of(sd1_folder), guidance_rescale=0.7))


def test_freeu_is_the_pipeline_bit_for_bit_and_leaves_nothing_behind(sd1: Checkpoint, sd1_folder: Path) -> None:
    plain = ours(sd1)
    pipeline = pipeline_of(sd1_folder)
    pipeline.enable_freeu(s1=0.9, s2=0.2, b1=1.3, b2=1.4)
    adapted = ours(sd1, adapters=(FreeU((1.3, 1.4), (0.9, 0.2)),))
    assert torch.equal(adapted, theirs(pipeline))
    assert not torch.equal(adapted, plain)
    assert torch.equal(ours(sd1), plain)


def test_perturbed_attention_is_the_pipeline(sd1: Checkpoint, sd1_folder: Path) -> None:
    pipeline = pipeline_of(sd1_folder, StableDiffusionPAGPipeline)
    pipeline.set_pag_applied_layers(["mid"])
    weak = (AwayFromWeak(PerturbedAttention(), 3.0),)
    perturbed = ours(sd1, Guidance(6.0, weak=weak))
    assert distance(perturbed, theirs(pipeline, pag_scale=3.0)) < 1e-5
    assert distance(perturbed, ours(sd1)) > 1e-3
    early = ours(sd1, Guidance(6.0, weak=(replace(weak[0], window=Window(0, 0.5)),)))
    assert distance(early, perturbed) > 1e-4, "its window counts"
    with pytest.raises(ValueRefused, match="no self-attention"):
        ours(sd1, Guidance(6.0, weak=(AwayFromWeak(PerturbedAttention("nowhere"), 3.0),)))


def test_what_cannot_be_weakened_says_so(sd1: Checkpoint) -> None:
    with pytest.raises(ValueRefused, match="cannot leave out layers"):
        ours(sd1, Guidance(6.0, weak=(AwayFromWeak(SkippedLayers((1,)), 3.0),)))


def joined(model: LoadedModel, guidance: Guidance, negative: Tensor, positive: Tensor) -> Tensor:
    """One denoiser call on made-up predictions, x0 back in what the network predicts."""
    conditioned = Conditioned(torch.zeros(1, 3, 8))
    guided = Guided(
        model, lambda x, time, asked: [negative, positive][-len(asked) :], conditioned, conditioned, guidance
    )
    return guided(torch.zeros_like(positive), 1.0)


def test_kinds_of_guidance_are_their_references(sd1: Checkpoint) -> None:
    random = torch.Generator().manual_seed(3)
    negative, positive = (torch.randn(2, 4, 6, 6, generator=random) for _ in range(2))
    model = sd1.model
    projected = joined(model, Guidance(5.0, method="projected", parallel=0.3, longest=4.0), negative, positive)
    # At x = 0 and sigma 1 the predicted x0 is minus the noise.
    theirs = normalized_guidance(-positive, -negative, 4.0, None, 0.3, 4.0, use_original_formulation=True)
    assert distance(projected, theirs) < 1e-6
    plain = joined(model, Guidance(5.0), negative, positive)
    whole = joined(model, Guidance(5.0, method="projected", parallel=1.0), negative, positive)
    assert distance(whole, plain) < 1e-6, "with all of it kept it is plain guidance"
    optimized = joined(model, Guidance(5.0, method="optimized"), negative, positive)
    factor = cfg_zero_star_scale(positive.flatten(1), negative.flatten(1)).view(-1, 1, 1, 1)
    assert distance(optimized, -(negative * factor + 5.0 * (positive - negative * factor))) < 1e-6
    assert joined(model, Guidance(5.0, method="optimized", still=1), negative, positive).abs().max() == 0


def test_the_negative_has_a_scale_of_its_own(sd1: Checkpoint) -> None:
    positive, negative = conditionings(sd1, PROMPTS[:1])
    plain = ours(sd1)
    assert distance(ours(sd1, Guidance(6.0, neutral=negative, negative_scale=0.0)), plain) < 1e-5
    apart = ours(sd1, Guidance(6.0, neutral=conditionings(sd1, [""])[0], negative_scale=2.0))
    assert distance(apart, plain) > 1e-3
    assert positive.prompts == 1


def test_a_curve_of_guidance_takes_each_step_its_own(sd1: Checkpoint) -> None:
    positive, negative = conditionings(sd1, PROMPTS[:1])
    model, asked = sd1.model, []
    inner = OneForward(model)

    def counted(x: Tensor, time: float, several: Foreign) -> Foreign:
        asked.append(len(several))
        return inner(x, time, several)

    sigmas = schedules.sigmas("trailing", model.noise, STEPS)
    guided = Guided(model, counted, positive, negative, Guidance(Curve(((0, 4.0), (1, 1.0)))), sigmas=sigmas)
    x = torch.randn(model.latents.shape(*model.size), generator=torch.Generator().manual_seed(1))
    for step, scale in enumerate((4.0, 3.0, 2.0, 1.0)):
        expected = Guided(model, inner, positive, negative, scale)(x, sigmas[step])
        assert torch.equal(guided(x, sigmas[step]), expected)
    assert asked == [2, 2, 2, 1], "at 1 only the prompt is evaluated"


def test_a_step_says_what_it_depends_on(sd1: Checkpoint) -> None:
    positive, negative = conditionings(sd1, PROMPTS[:1])
    other, _ = conditionings(sd1, PROMPTS[1:])
    model = sd1.model
    sigmas = schedules.sigmas("trailing", model.noise, STEPS)

    def dependencies(parts: Foreign, guidance: float | Guidance = 6.0, adapters: Foreign = ()) -> list[bytes]:
        denoiser = make_denoiser(replace(model, adapters=adapters), parts, negative, guidance, sigmas)
        return [denoiser.depends_at(step) for step in range(STEPS)]

    whole = dependencies(positive)
    assert dependencies(replace(positive, embeds=positive.embeds.clone())) == whole, "content counts, not the object"
    late = dependencies([Part(positive, Window(0, 0.5)), Part(other, Window(0.5, 1))])
    assert [one == another for one, another in zip(whole, late, strict=True)] == [True, True, False, False]
    curved = dependencies(positive, Guidance(Curve(((0.5, 6.0), (1.0, 1.0)))))
    assert [one == another for one, another in zip(whole, curved, strict=True)] == [True, True, False, False]
    pag = Guidance(6.0, weak=(AwayFromWeak(PerturbedAttention(), 2.0, Window(0.75, 1)),))
    assert [one == another for one, another in zip(whole, dependencies(positive, pag), strict=True)] == [True] * 3 + [
        False
    ]
    assert dependencies(positive, adapters=(FreeU((1.1, 1), (1, 1)),))[0] != whole[0]
