from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from nodes.picture_files import load, save
from studio.files.media import read_workflow_text
from studio.graph.errors import Cancelled, FileProblem, Misuse, ValueRefused
from studio.sdk import Image
from studio.sdk.context import Context, activate
from studio.sdk.testing import Recorder, run_node

BATCH = Image.of(np.linspace(0, 1, 2 * 4 * 5 * 3, dtype=np.float32).reshape(2, 4, 5, 3))


def test_a_saved_picture_is_loaded_again(tmp_path: Path) -> None:
    with activate(Recorder(out=tmp_path)) as run:
        run_node(save, image=BATCH, name="sea/boat")
    assert [path.relative_to(tmp_path).as_posix() for path in run.written] == ["sea/boat-0001.png", "sea/boat-0002.png"]
    image, mask, _ = run_node(load, path=str(run.written[1]))
    np.testing.assert_array_equal(image.to_uint8()[0], BATCH.to_uint8()[1])
    assert mask.mean() == 1.0


def test_the_workflow_travels_in_a_png_unless_it_is_not_wanted(tmp_path: Path) -> None:
    with activate(Recorder(out=tmp_path)) as run:
        run.workflow = '{"format": "wirelight"}'
        run_node(save, image=BATCH[0])
        run_node(save, image=BATCH[0], embed_workflow=False)
    assert [read_workflow_text(path) for path in run.written] == ['{"format": "wirelight"}', None]


@pytest.mark.parametrize(("format", "kind"), [("JPEG", "JPEG"), ("WebP", "WEBP")])
def test_other_formats_and_their_quality(tmp_path: Path, format: str, kind: str) -> None:
    noise = Image.of(np.random.default_rng(0).random((64, 64, 3), dtype=np.float32))
    with activate(Recorder(out=tmp_path)) as run:
        for quality in (20, 95):
            run_node(save, image=noise, format=format, quality=quality)
    small, large = run.written
    assert small.stat().st_size < large.stat().st_size / 2
    with Pillow.open(large) as opened:
        assert opened.format == kind


def test_transparency_becomes_a_mask(tmp_path: Path) -> None:
    with activate(Recorder(out=tmp_path)) as run:
        run_node(save, image=Image.of([[[1.0, 0, 0, 1], [0, 1.0, 0, 0]]]))
    image, mask, holes = run_node(load, path=str(run.written[0]))
    assert (holes.values == 1 - mask.values).all()
    assert image.channels == 3
    assert mask.values.ravel().tolist() == [1, 0]


def test_saving_can_be_cancelled_between_pictures(tmp_path: Path) -> None:
    class Ending(Context):
        def checkpoint(self) -> None:
            raise Cancelled

    with activate(Ending(out=tmp_path)), pytest.raises(Cancelled):
        run_node(save, image=BATCH)
    assert [path.name for path in tmp_path.iterdir()] == ["picture-0001.png"], "whole, and none half written"


def test_what_cannot_be_loaded_or_saved_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueRefused, match="No file is chosen"):
        run_node(load)
    with pytest.raises(FileProblem, match=r"gone\.png"):
        run_node(load, path=str(tmp_path / "gone.png"))
    with activate(Recorder(out=tmp_path)), pytest.raises(Misuse, match="file name"):
        run_node(save, image=BATCH, name="../boat")
