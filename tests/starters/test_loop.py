import os
import signal
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from train.loop import Averaged, Place, Stopped, Task, fit


def line(at_step: int | None = None) -> Task:
    """Learns y = 2x; asks the process to stop after `at_step` steps."""
    model = nn.Linear(1, 1)

    def loss(step: int) -> Tensor:
        if step == at_step:
            os.kill(os.getpid(), signal.SIGTERM)
        x = torch.rand(32, 1)
        return ((model(x) - 2 * x) ** 2).mean()

    return Task(name="line", model=model, loss=loss, batch=32, rate=0.05, ema=0.9, warmup=1, average_every=2)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, torch.device("cpu"))


def test_training_learns_and_its_checkpoint_holds_the_averaged_weights(place: Place) -> None:
    learnt = fit(line(), 0.02, place, resume=False)
    assert float(learnt.weight) == pytest.approx(2, abs=0.2)
    state = torch.load(place.folder / "line.pt", weights_only=True)
    assert torch.equal(state["averaged"]["weight"], learnt.weight)


def test_a_stopped_training_goes_on_where_it_was(place: Place) -> None:
    with pytest.raises(Stopped):
        fit(line(at_step=5), 1.0, place, resume=False)
    stopped = torch.load(place.folder / "line.pt", weights_only=True)
    assert 5 <= stopped["step"] <= 8
    fit(line(), stopped["elapsed"] / 60 + 0.005, place, resume=True)
    assert torch.load(place.folder / "line.pt", weights_only=True)["step"] > stopped["step"]


def test_a_stage_that_had_its_minutes_only_loads(place: Place) -> None:
    learnt = fit(line(), 0.01, place, resume=False)
    again = fit(line(), 0.01, place, resume=True)
    assert torch.equal(again.weight, learnt.weight)


def test_averaged_weights_follow_slowly() -> None:
    model = nn.Linear(1, 1)
    averaged = Averaged(model, 0.9)
    before = averaged.model.weight.clone()
    with torch.no_grad():
        model.weight += 1
    averaged.follow(model, step=1000, steps=1)
    assert float(averaged.model.weight - before) == pytest.approx(0.1, abs=1e-4)
