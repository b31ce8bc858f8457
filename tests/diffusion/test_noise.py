"""Seeds: one seed, one noise, whatever the batch, device and number format."""

from __future__ import annotations

import pytest
import torch
from diffusers.utils.torch_utils import randn_tensor

from studio.diffusion.noise import NoiseSource, seeded_noise
from studio.graph.errors import ValueRefused


def test_an_item_of_a_batch_is_the_single_run_of_its_own_seed() -> None:
    batch = seeded_noise(5, (4, 4, 8, 8))
    for item in range(4):
        assert torch.equal(batch[item], seeded_noise(5 + item, (1, 4, 8, 8))[0])
    assert not torch.equal(batch[0], batch[1])


def test_noise_is_what_diffusers_draws_from_the_same_generators() -> None:
    theirs = randn_tensor((3, 4, 8, 8), generator=[torch.Generator().manual_seed(7 + item) for item in range(3)])
    assert torch.equal(seeded_noise(7, (3, 4, 8, 8)), theirs)


def test_noise_goes_on_where_its_state_was_taken() -> None:
    source = NoiseSource.seeded(1, 3)
    like = torch.empty(3, 4, 5, 5)
    source.draw(like)
    state = source.state
    following = [source.draw(like) for _ in range(3)]
    resumed = NoiseSource.resumed(state)
    assert all(torch.equal(resumed.draw(like), expected) for expected in following)


def test_noise_is_the_same_numbers_in_every_format() -> None:
    for dtype in (torch.float16, torch.float64):
        drawn = NoiseSource.seeded(1, 1).draw(torch.empty(1, 4, 8, 8, dtype=dtype))
        assert drawn.dtype == torch.float32
        assert torch.equal(drawn, seeded_noise(1, (1, 4, 8, 8)))


def test_seeds_wrap_around_at_the_end_and_none_is_out_of_range() -> None:
    last = seeded_noise(2**64 - 1, (2, 1, 4, 4))
    assert torch.equal(last[1], seeded_noise(0, (1, 1, 4, 4))[0])
    for seed in (-1, 2**64):
        with pytest.raises(ValueRefused) as caught:
            seeded_noise(seed, (1, 1, 4, 4))
        assert caught.value.socket == "seed"


def test_a_state_of_another_batch_is_refused() -> None:
    with pytest.raises(ValueRefused, match="batch"):
        NoiseSource.seeded(0, 2).draw(torch.empty(3, 4, 4, 4))
