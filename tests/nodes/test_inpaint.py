"""Making a part of a picture anew, on the starter."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nodes.inpaint import Place, crop_to_mask, inpaint, pad_to_paint, set_mask, stitch_back
from nodes.latent import decode_, encode_, pick, repeat, scale
from nodes.masks import shape
from studio.graph.errors import ValueRefused
from studio.sdk import Image, Latent, Mask
from studio.sdk.storage import pack_value, unpack_value
from studio.sdk.testing import run_node
from tests.nodes.conftest import Studio


def test_inside_the_mask_is_what_was_asked_for_and_outside_is_kept_bit_for_bit(studio: Studio) -> None:
    picture = studio.picture(studio.prompt("a large red circle on a blue background"), steps=8)
    mask = run_node(shape, width=128, height=128, across=0.75, down=0.75)
    prepared = run_node(inpaint, image=picture, mask=mask, vae=studio.parts.vae)
    words = studio.prompt("a large yellow square on a blue background")
    made = studio.sample(words, latent=prepared, steps=8)
    outside = mask.values[0, 4::8, 4::8] == 0
    assert torch.equal(made.tensor[0][:, outside], prepared.tensor[0][:, outside])
    pixels = run_node(decode_, latent=made, vae=studio.parts.vae).pixels[0]
    assert pixels[56:72, 56:72].mean(axis=(0, 1))[1] > 0.5, "the middle is yellow now"
    assert np.abs(pixels[:8] - picture.pixels[0, :8]).mean() < 0.08, "the rim is as it was"


def test_more_grey_changes_more(studio: Studio) -> None:
    latent = run_node(encode_, image=Image.solid(128, 128, (0.9, 0.8, 0.1)), vae=studio.parts.vae)
    words, change = studio.prompt("a large blue square on a black background"), []
    for grey in (0.25, 1.0):
        masked = run_node(set_mask, latent=latent, mask=Mask.of(np.full((8, 8), grey)), gradual=True)
        made = studio.sample(words, latent=masked, steps=8, sampler="euler")
        change.append((made.tensor - latent.tensor).abs().mean().item())
    assert change[0] < change[1] / 4


def test_a_piece_is_cut_out_and_stitched_back_in_its_place() -> None:
    random = np.random.default_rng(1)
    picture = Image(random.random((1, 200, 300, 3), dtype=np.float32))
    mask = run_node(shape, width=300, height=200, x=0.8, y=0.2, across=0.1, down=0.1)
    piece, part, place = run_node(crop_to_mask, image=picture, mask=mask, margin=1.0, width=128, height=128)
    assert piece.size == part.size == (128, 128)
    assert place.width == place.height == 60
    assert part.values.mean() > 0.1
    assert part.values[0, 64, 64] == 1
    same = run_node(stitch_back, image=picture, piece=piece, mask=mask, place=place)
    assert np.array_equal(same.pixels[0, :20], picture.pixels[0, :20])
    black = run_node(stitch_back, image=picture, piece=Image.solid(128, 128, (0, 0, 0)), mask=mask, place=place)
    inside = mask.values[0] > 0
    assert black.pixels[0][inside].max() == 0
    assert np.array_equal(black.pixels[0][~inside], picture.pixels[0][~inside])
    with pytest.raises(ValueRefused, match="not cut out of this picture"):
        run_node(stitch_back, image=Image.solid(32, 32, (0, 0, 0)), piece=piece, mask=mask, place=place)
    packed = pack_value(place)
    assert packed is not None
    assert unpack_value(packed) == place == Place(place.x, place.y, 60, 60)


def test_a_piece_at_the_edge_stays_inside() -> None:
    picture, corner = Image.solid(100, 60, (1, 1, 1)), np.zeros((60, 100), dtype=np.float32)
    corner[-1, -1] = 1
    for margin in (0.0, 4.0):
        _, part, place = run_node(crop_to_mask, image=picture, mask=Mask.of(corner), margin=margin, width=64, height=64)
        assert place.x + place.width == 100
        assert place.y + place.height == 60
        assert part.values.max() > 0.2


def test_room_around_a_picture_is_masked_and_fades_into_it() -> None:
    picture = Image.solid(32, 16, (0.2, 0.4, 0.6))
    larger, mask = run_node(pad_to_paint, image=picture, left=8, right=0, top=0, bottom=16, overlap=4)
    assert larger.size == mask.size == (40, 32)
    assert mask.values[0, :8, :8].min() == 1
    assert mask.values[0, 16:].min() == 1
    assert mask.values[0, 0, 20:].max() == 0, "a side without room does not fade"
    assert list(mask.values[0, 0, 8:13] > 0) == [True, True, True, True, False]
    assert larger.pixels[0, 20, 20] == pytest.approx([0.2, 0.4, 0.6])
    with pytest.raises(ValueRefused, match="no room"):
        run_node(pad_to_paint, image=picture, right=0)


def test_a_masked_latent_is_kept_on_disk_and_goes_through_other_nodes(studio: Studio) -> None:
    picture = Image(np.random.default_rng(2).random((2, 64, 64, 3), dtype=np.float32))
    masks = Mask(np.stack([np.eye(64, dtype=np.float32), np.ones((64, 64), dtype=np.float32)]))
    prepared = run_node(inpaint, image=picture, mask=masks, vae=studio.parts.vae, gradual=True)
    packed = pack_value(prepared)
    assert packed is not None
    back = unpack_value(packed)
    assert isinstance(back, Latent)
    assert back.gradual
    assert back.mask is not None
    assert back.surroundings is not None
    assert prepared.surroundings is not None
    assert np.array_equal(back.mask.values, masks.values)
    assert torch.equal(back.surroundings, prepared.surroundings)
    second = run_node(pick, latent=run_node(repeat, latent=prepared, times=2), index=3)
    assert second.mask is not None
    assert second.mask.values.min() == 1
    assert torch.equal(second.surroundings, prepared.surroundings[1:])
    assert run_node(scale, latent=prepared, factor=2.0).mask is not None
    alone = studio.sample(studio.prompt("a red circle"), latent=prepared)
    assert alone.mask is None, "what was made anew is an ordinary latent"
    with pytest.raises(ValueRefused, match="The mask is empty"):
        run_node(set_mask, latent=prepared, mask=Mask.of(np.zeros((4, 4))))
