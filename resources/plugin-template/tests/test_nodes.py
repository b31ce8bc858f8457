"""Run with `pytest` in the plugin's folder, in the Python that runs Wirelight."""

from pathlib import Path

import numpy as np

from studio.sdk import Image
from studio.sdk.testing import load_plugin, run_node

plugin = load_plugin(Path(__file__).parents[1])


def test_posterize_leaves_as_many_tones_as_asked_for() -> None:
    ramp = Image.of(np.linspace(0, 1, 256)[None, :])
    result = run_node(plugin["my-plugin/Posterize"], image=ramp, levels=3)
    assert np.unique(result.pixels).tolist() == [0.0, 0.5, 1.0]
