"""Several conditionings in one picture and one run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from studio.diffusion import schedules
from studio.diffusion.denoise import EachShape, OneForward
from studio.diffusion.guidance import Guided
from studio.diffusion.model import Checkpoint, Conditioned
from studio.diffusion.regions import Area, Part, Parts
from studio.diffusion.sampling import sample
from studio.diffusion.timing import Window
from studio.graph.errors import ValueRefused
from tests.diffusion.analytic import distance
from tests.diffusion.test_pipelines import PROMPTS, conditionings

SIGMA = 2.0


@pytest.fixture
def cat(sd1: Checkpoint) -> Conditioned:
    return conditionings(sd1, PROMPTS[:1])[0]


@pytest.fixture
def dog(sd1: Checkpoint) -> Conditioned:
    return conditionings(sd1, PROMPTS[1:])[0]


def noise(batch: int = 1) -> Tensor:
    return torch.randn(batch, 4, 8, 8, generator=torch.Generator().manual_seed(2))


def predicted(sd1: Checkpoint, parts: Parts, batch: int = 1) -> Tensor:
    return Guided(sd1.model, EachShape(OneForward(sd1.model)), parts)(noise(batch), SIGMA)


def half(left: bool = True) -> Tensor:
    mask = torch.zeros(1, 16, 16)
    mask[..., : 8 if left else 16] = 1
    return mask if left else mask - half()


def test_one_prompt_in_several_parts_is_that_prompt(sd1: Checkpoint, cat: Conditioned) -> None:
    plain = predicted(sd1, cat)
    assert distance(predicted(sd1, [Part(cat), Part(cat, strength=3.0)]), plain) < 1e-6
    assert distance(predicted(sd1, [Part(cat, region=half()), Part(cat, region=half(left=False))]), plain) < 1e-6


def test_each_region_follows_its_own_prompt(sd1: Checkpoint, cat: Conditioned, dog: Conditioned) -> None:
    mixed = predicted(sd1, [Part(cat, region=half()), Part(dog, region=half(left=False))])
    assert distance(mixed[..., :4], predicted(sd1, cat)[..., :4]) < 1e-6
    assert distance(mixed[..., 4:], predicted(sd1, dog)[..., 4:]) < 1e-6
    both = predicted(sd1, [Part(cat), Part(dog, strength=3.0)])
    assert distance(both, (predicted(sd1, cat) + 3 * predicted(sd1, dog)) / 4) < 1e-6
    ground = predicted(sd1, [Part(cat), Part(dog, region=half())])
    assert distance(ground[..., 4:], predicted(sd1, cat)[..., 4:]) < 1e-6


def test_an_area_is_composed_by_itself(sd1: Checkpoint, cat: Conditioned, dog: Conditioned) -> None:
    parts = [Part(cat, area=Area(0, 0, 0.5, 1)), Part(dog, area=Area(0.5, 0, 0.5, 1))]
    made = predicted(sd1, parts)
    guided = Guided(sd1.model, OneForward(sd1.model), cat)
    assert distance(made[..., :4], guided(noise()[..., :4].contiguous(), SIGMA)) < 1e-6
    with pytest.raises(ValueRefused, match="leave a part of the picture"):
        predicted(sd1, parts[:1])
    with pytest.raises(ValueRefused, match="outside of the picture"):
        Area(1.2, 0, 0.5, 0.5)


@pytest.mark.parametrize(
    ("area", "box"),
    [(Area(0, 0, 1, 1), (0, 8, 0, 8)), (Area(0.9, 0.5, 0.1, 0.5), (4, 8, 6, 8)), (Area(0.5, 0, 3, 0.01), (0, 2, 4, 8))],
)
def test_areas_lie_on_the_networks_patches(area: Area, box: Sequence[int]) -> None:
    assert area.box(8, 8, 2) == tuple(box)


def test_a_prompt_per_item_and_a_mask_per_item(sd1: Checkpoint, cat: Conditioned, dog: Conditioned) -> None:
    several = [replace(one, embeds=one.embeds.repeat(2, 1, 1)) for one in (cat, dog)]
    masks = torch.cat([half(), half(left=False)])
    made = predicted(sd1, [Part(several[0], region=masks), Part(several[1], region=1 - masks)], batch=2)
    assert distance(made[:1, ..., :4], predicted(sd1, several[0], batch=2)[:1, ..., :4]) < 1e-6
    assert distance(made[1:, ..., :4], predicted(sd1, several[1], batch=2)[1:, ..., :4]) < 1e-6
    with pytest.raises(ValueRefused, match="3 masks for 1"):
        predicted(sd1, [Part(cat, region=torch.ones(3, 4, 4)), Part(dog)])


def test_conditionings_of_different_length_go_together(sd1: Checkpoint, cat: Conditioned, dog: Conditioned) -> None:
    long = replace(dog, embeds=torch.cat([dog.embeds, cat.embeds], dim=1))
    model = sd1.model
    guided = Guided(model, EachShape(OneForward(model)), long, cat, 3.0)(noise(), SIGMA)
    apart = [Guided(model, OneForward(model), one)(noise(), SIGMA) for one in (cat, long)]
    assert distance(guided, apart[0] + 3 * (apart[1] - apart[0])) < 1e-5


def test_a_prompt_that_changes_on_the_way_is_a_run_that_is_branched(
    sd1: Checkpoint, cat: Conditioned, dog: Conditioned
) -> None:
    model = sd1.model
    empty, sigmas = torch.zeros(model.latents.shape(*model.size)), schedules.sigmas("trailing", model.noise, 6)
    parts = [Part(cat, Window(0, 0.5)), Part(dog, Window(0.5, 1))]
    changed = list(sample(model, parts, None, empty, sigmas, sampler="dpmpp_2m", guidance=1.0))
    first = list(sample(model, cat, None, empty, sigmas, sampler="dpmpp_2m", guidance=1.0))
    rest = list(sample(model, dog, None, empty, sigmas, sampler="dpmpp_2m", guidance=1.0, start=first[2]))
    assert all(torch.equal(one.latent, other.latent) for one, other in zip(changed, [*first[:3], *rest], strict=True))
    with pytest.raises(ValueRefused, match="step 3 of 6"):
        sample(model, [Part(cat, Window(0, 0.4))], None, empty, sigmas, guidance=1.0)


def test_without_a_negative_in_a_step_it_is_not_guided(sd1: Checkpoint, cat: Conditioned, dog: Conditioned) -> None:
    model = sd1.model
    sigmas = schedules.sigmas("trailing", model.noise, 4)
    guided = Guided(model, OneForward(model), cat, [Part(dog, Window(0, 0.5))], 5.0, sigmas=sigmas)
    assert torch.equal(guided(noise(), sigmas[3]), predicted_at(sd1, cat, sigmas[3]))
    assert not torch.equal(guided(noise(), sigmas[0]), predicted_at(sd1, cat, sigmas[0]))


def predicted_at(sd1: Checkpoint, conditioned: Conditioned, sigma: float) -> Tensor:
    return Guided(sd1.model, OneForward(sd1.model), conditioned)(noise(), sigma)
