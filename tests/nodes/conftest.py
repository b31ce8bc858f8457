"""The picture starter, opened once, and its judge."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from nodes.conditioning import encode_prompt
from nodes.latent import decode_
from nodes.model import LoadedCheckpoint, load
from nodes.sample import sample_
from studio.sdk import Conditioning, Image, Latent
from studio.sdk.testing import run_node

# The judge ships with the models' training code, outside the program's own packages.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "resources" / "starters"))


class Studio(NamedTuple):
    """A checkpoint, and the shortest ways to use it."""

    parts: LoadedCheckpoint

    def prompt(self, text: str = "", **more: object) -> Conditioning:
        encoded = run_node(encode_prompt, text_encoder=self.parts.text_encoder, text=text, **more)
        assert isinstance(encoded, Conditioning)
        return encoded

    def sample(self, positive: Conditioning, **changes: object) -> Latent:
        inputs = {
            "model": self.parts.model,
            "positive": positive,
            "negative": self.prompt(),
            "latent": Latent.empty(128, 128),
            "steps": 2,
            "guidance": 4.0,
            "seed": 1,
        }
        made, _ = run_node(sample_, **{**inputs, **changes})
        assert isinstance(made, Latent)
        return made

    def picture(self, positive: Conditioning, **changes: object) -> Image:
        return run_node(decode_, latent=self.sample(positive, **changes), vae=self.parts.vae)  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WIRELIGHT_HOME", str(tmp_path_factory.mktemp("home")))
        return Studio(LoadedCheckpoint(*run_node(load, model="picture")))
