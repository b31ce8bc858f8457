"""What is said of a model's training changes its noise levels and its picture; distilled models say how they want to be sampled."""

from __future__ import annotations

import pytest
import torch

from nodes.sample import sample_, schedule_
from nodes.trained import trained_as
from studio.graph.errors import ValueRefused
from studio.sdk import Latent
from studio.sdk.context import activate
from studio.sdk.testing import Recorder, run_node
from tests.nodes.conftest import Studio


def test_what_is_said_of_a_models_training_rides_on_it(studio: Studio) -> None:
    model = studio.parts.model
    flat = run_node(trained_as, model=model, prediction="v_prediction", zero_terminal=True)
    own, changed = (run_node(schedule_, model=one, steps=4, schedule="normal").sigmas[0] for one in (model, flat))
    assert changed == pytest.approx(4096)
    assert own < changed
    words = studio.prompt("a red circle on a blue background")
    small = {"latent": Latent.empty(64, 64)}
    plain, other = (studio.sample(words, model=one, **small).tensor for one in (model, flat))
    assert not torch.equal(plain, other)
    assert torch.equal(studio.sample(words, model=run_node(trained_as, model=model), **small).tensor, plain)
    shifted = run_node(trained_as, model=model, shift=3.0)
    with pytest.raises(ValueRefused, match="Only flow models") as caught:
        studio.sample(words, model=shifted, **small)
    assert caught.value.socket == "shift"


def test_an_ordinary_model_gets_no_advice_and_a_distilled_one_does(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = studio.prompt("a red circle")
    for title, hints in (("picture: model", 0), ("my lcm: model", 1)):
        monkeypatch.setattr(studio.parts.model.weights, "title", title)
        with activate(Recorder()) as run:
            run_node(
                sample_,
                model=studio.parts.model,
                positive=words,
                negative=studio.prompt(),
                latent=Latent.empty(64, 64),
                steps=2,
                sampler="euler",
            )
        assert len(run.lines) == hints
