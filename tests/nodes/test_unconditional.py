"""A model without prompts through the same nodes as any other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import CMStochasticIterativeScheduler, ConsistencyModelPipeline, UNet2DModel

from nodes.latent import decode_, encode_
from nodes.model import LoadedCheckpoint, load
from nodes.sample import sample_
from nodes.unconditional import class_label
from studio.graph.errors import ModelUnreadable, ValueRefused
from studio.sdk import Image, Latent
from studio.sdk.context import activate
from studio.sdk.testing import Recorder, run_node


@pytest.fixture
def parts(home: Path) -> LoadedCheckpoint:
    torch.manual_seed(0)
    unet = UNet2DModel(
        sample_size=16,
        block_out_channels=(8, 8),
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
        norm_num_groups=4,
        num_class_embeds=4,
    )
    pipeline = ConsistencyModelPipeline(unet=unet, scheduler=CMStochasticIterativeScheduler())
    pipeline.save_pretrained(home / "data" / "models" / "checkpoints" / "classes")
    return LoadedCheckpoint(*run_node(load, model="classes"))


def test_a_class_becomes_a_picture_with_a_preview_of_every_step(parts: LoadedCheckpoint) -> None:
    given = {"model": parts.model, "latent": Latent.empty(16, 16), "steps": 3, "sampler": "lcm", "schedule": "trailing"}
    pictures = []
    for label in (1, 3):
        with activate(Recorder()) as run:
            latent, _ = run_node(sample_, positive=run_node(class_label, label=label), **given)
        pictures.append(run_node(decode_, latent=latent, vae=parts.vae))
        assert [one.shape for one in run.previews] == [(16, 16, 3)] * 3
        assert np.abs(run.previews[-1] / 255 - pictures[-1].pixels[0]).max() < 0.01
    assert pictures[0].size == (16, 16)
    assert not np.array_equal(pictures[0].pixels, pictures[1].pixels)
    with pytest.raises(ValueRefused, match="class"):
        run_node(sample_, **given)
    back = run_node(encode_, image=Image.solid(16, 16, (0.2, 0.4, 0.6)), vae=parts.vae)
    assert back.tensor[0, :, 3, 3].tolist() == pytest.approx([-0.6, -0.2, 0.2])


def test_its_missing_text_encoder_is_said(parts: LoadedCheckpoint) -> None:
    with pytest.raises(ModelUnreadable, match="no text encoder"):
        parts.text_encoder.weights.load()
