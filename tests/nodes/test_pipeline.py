"""Whole pipelines of diffusers through the nodes: equal to the pipeline called by hand, refused by name where they don't fit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline
from PIL import Image as Pictures
from safetensors.torch import load_file, save_file

from nodes.pipeline import embeddings, load_pipeline_, picture, sound_, video_
from studio.diffusion.device import Dtypes
from studio.diffusion.foreign import Foreign
from studio.diffusion.pipelines import load_pipeline
from studio.graph.errors import Cancelled, ModelUnreadable, ValueRefused
from studio.sdk import Image, Mask, Pipeline
from studio.sdk.context import activate
from studio.sdk.testing import Recorder, run_node
from tests.nodes import tiny_pipelines

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*SwigPy.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

KINDS: Mapping[str, Callable[[], Any]] = {
    name: getattr(tiny_pipelines, name)
    for name in (
        "img2img",
        "deepfloyd",
        "kandinsky_prior",
        "kandinsky",
        "chroma",
        "dit",
        "text_to_video",
        "dance_diffusion",
    )
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def home(folders: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One for all tests of this file, so that every folder is made once."""
    monkeypatch.setenv("WIRELIGHT_HOME", str(folders))
    return folders


def folder_of(home: Path, kind: str) -> Path:
    path = home / "data" / "models" / "checkpoints" / kind
    if not path.is_dir():
        KINDS[kind]().save_pretrained(path)
    return path


def opened(home: Path, kind: str) -> Pipeline:
    folder_of(home, kind)
    return run_node(load_pipeline_, model=kind)


def by_hand(home: Path, kind: str, seed: int, **arguments: Foreign) -> Foreign:
    pipeline = DiffusionPipeline.from_pretrained(folder_of(home, kind), dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    if "output_type" not in arguments and kind not in ("dance_diffusion",):
        arguments["output_type"] = "np"
    return pipeline(generator=torch.Generator().manual_seed(seed), **arguments)


def test_opening_reads_no_weights_and_names_the_class(home: Path) -> None:
    found = opened(home, "chroma")
    assert found.family == "ChromaPipeline"
    assert not found.weights.loaded
    held = found.weights.load()
    assert {type(one).__name__ for one in held.modules} == {
        "ChromaTransformer2DModel",
        "AutoencoderKL",
        "T5EncoderModel",
    }
    assert found.weights.bytes


@pytest.mark.parametrize(
    ("kind", "controls", "arguments"),
    [
        (
            "chroma",
            {"prompt": "the cat", "negative": "dog", "steps": 3, "set_guidance": True, "guidance": 4.0, "width": 24, "height": 32},
            {
                "prompt": "the cat", "negative_prompt": "dog", "num_inference_steps": 3, "guidance_scale": 4.0, "width": 24, "height": 32
            },
        ),
        (
            "deepfloyd",
            {"prompt": "the cat", "steps": 3, "more": "clean_caption = False"},
            {"prompt": "the cat", "num_inference_steps": 3, "clean_caption": False},
        ),
        ("dit", {"steps": 3, "more": "class_labels = [207]"}, {"num_inference_steps": 3, "class_labels": [207]}),
    ],
)  # fmt: skip
def test_a_picture_is_the_pipelines_own_with_a_preview_of_every_step(
    home: Path, kind: str, controls: dict[str, Any], arguments: dict[str, Any]
) -> None:
    with activate(Recorder()) as run:
        made = run_node(picture, pipeline=opened(home, kind), seed=5, **controls)
    theirs = by_hand(home, kind, 5, **arguments).images
    assert np.array_equal(made.pixels, theirs.astype(np.float32))
    assert [(index, of) for index, of, _ in run.steps] == [(1, 3), (2, 3), (3, 3)]
    assert all(one.dtype == np.uint8 and one.ndim == 3 and one.std() > 0 for one in run.previews)
    again = run_node(picture, pipeline=opened(home, kind), seed=5, **controls)
    assert np.array_equal(again.pixels, made.pixels)
    assert not np.array_equal(run_node(picture, pipeline=opened(home, kind), seed=6, **controls).pixels, made.pixels)


def test_a_given_picture_is_worked_over_from_part_of_the_way_down(home: Path) -> None:
    given = Image.solid(16, 16, (0.9, 0.2, 0.1))
    with activate(Recorder()) as run:
        made = run_node(
            picture, pipeline=opened(home, "img2img"), image=given, prompt="the cat", strength=0.5, steps=4, seed=3
        )
    theirs = by_hand(
        home,
        "img2img",
        3,
        image=Pictures.fromarray(given.to_uint8()[0]),
        prompt="the cat",
        strength=0.5,
        num_inference_steps=4,
    )
    assert np.array_equal(made.pixels, theirs.images)
    assert [(index, of) for index, of, _ in run.steps] == [(3, 4), (4, 4)]
    assert {one.shape for one in run.previews} == {(8, 8, 3)}


def test_a_batch_has_a_seed_each(home: Path) -> None:
    pipeline = opened(home, "chroma")
    given = {"pipeline": pipeline, "prompt": "the cat", "steps": 2, "width": 16, "height": 16}
    two = run_node(picture, batch=2, seed=4, **given)
    assert two.batch == 2
    one = run_node(picture, seed=5, **given)
    np.testing.assert_allclose(two.pixels[1], one.pixels[0], atol=1e-4)


def test_two_pipelines_in_a_row_hand_over_embeddings(home: Path) -> None:
    words = {"prompt": "the cat on red", "steps": 2}
    found = run_node(embeddings, pipeline=opened(home, "kandinsky_prior"), seed=1, **words)
    assert found.tensors.keys() == {"image_embeds", "negative_image_embeds"}
    size = {"width": 16, "height": 16}
    with activate(Recorder()) as run:
        made = run_node(picture, pipeline=opened(home, "kandinsky"), embeds=found, steps=2, seed=2, **size)
    prior = by_hand(home, "kandinsky_prior", 1, prompt="the cat on red", num_inference_steps=2, output_type="pt")
    theirs = by_hand(home, "kandinsky", 2, **dict(prior), num_inference_steps=2, **size)
    assert np.array_equal(made.pixels, theirs.images)
    assert len(run.previews) == 2
    with pytest.raises(ValueRefused, match="takes none of image_embeds") as caught:
        run_node(picture, pipeline=opened(home, "dit"), embeds=found)
    assert caught.value.socket == "embeds"


def test_a_video_is_the_pipelines_own(home: Path) -> None:
    with activate(Recorder()) as run:
        made = run_node(
            video_,
            pipeline=opened(home, "text_to_video"),
            prompt="the cat",
            steps=2,
            frames=3,
            width=16,
            height=24,
            rate=8.0,
            seed=2,
        )
    theirs = by_hand(
        home, "text_to_video", 2, prompt="the cat", num_inference_steps=2, num_frames=3, width=16, height=24
    )
    assert made.frames.shape == (3, 24, 16, 3)
    assert made.seconds == pytest.approx(3 / 8)
    assert np.array_equal(made.frames, np.rint(theirs.frames[0] * 255).astype(np.uint8))
    assert [one.shape for one in run.previews] == [(24, 16, 3)] * 2, "all frames as a grid"


def test_a_sound_is_the_pipelines_own_at_its_rate(home: Path) -> None:
    with activate(Recorder()) as run:
        made = run_node(sound_, pipeline=opened(home, "dance_diffusion"), steps=3, seconds=0.032, seed=2)
    theirs = by_hand(home, "dance_diffusion", 2, num_inference_steps=3, audio_length_in_s=0.032)
    assert made.rate == 16_000
    assert np.array_equal(made.samples, theirs.audios[0])
    assert len(run.steps) == 3


def test_a_run_is_cancelled_between_steps_and_leaves_nothing_behind(home: Path) -> None:
    pipeline = opened(home, "chroma")
    given = {"pipeline": pipeline, "prompt": "the cat", "steps": 4, "width": 16, "height": 16}
    whole = run_node(picture, **given)
    with activate(Recorder(cancel_after=2)) as run, pytest.raises(Cancelled):
        run_node(picture, **given)
    assert len(run.steps) == 2
    assert np.array_equal(run_node(picture, **given).pixels, whole.pixels)


@pytest.mark.parametrize(
    ("kind", "given", "socket", "words"),
    [
        ("chroma", {"mask": Mask.of([[1.0] * 16] * 16)}, "mask", "takes no mask"),
        ("dit", {"prompt": "the cat"}, "prompt", "takes no prompt"),
        ("dit", {"batch": 2, "more": "class_labels=[1]"}, "batch", "takes no batch"),
        ("dit", {}, "more", "needs 'class_labels'"),
        ("kandinsky", {}, "more", "needs 'image_embeds'"),
        ("chroma", {"more": "colour = 'red'"}, "more", "takes no 'colour'"),
        ("chroma", {"more": "output_type = 'latent'"}, "more", "takes no 'output_type'"),
        ("chroma", {"more": "max_sequence_length = __import__('os')"}, "more", "no argument"),
        ("chroma", {"more": "nonsense"}, "more", "no argument"),
        ("chroma", {"width": 8, "height": 8, "prompt": "cat", "more": "max_sequence_length = 4096"}, "", "refused"),
        ("text_to_video", {"prompt": "cat", "width": 16, "height": 16, "steps": 1}, "pipeline", "Pipeline to video"),
    ],
)
def test_what_a_pipeline_does_not_take_is_refused_with_what_it_does(
    home: Path, kind: str, given: dict[str, Any], socket: str, words: str
) -> None:
    with pytest.raises(ValueRefused) as caught:
        run_node(picture, pipeline=opened(home, kind), **given)
    assert caught.value.socket == socket
    assert words in f"{caught.value.what} {caught.value.mend}"
    assert caught.value.mend


@pytest.mark.parametrize("node", [video_, sound_, embeddings])
def test_what_is_made_has_a_node_of_its_own(home: Path, node: Foreign) -> None:
    size = {} if node is sound_ else {"width": 16, "height": 16}
    with pytest.raises(ValueRefused, match="did not make") as caught:
        run_node(node, pipeline=opened(home, "chroma"), prompt="cat", steps=1, **size)
    assert caught.value.mend == "Use Pipeline to picture."


def copied(home: Path, kind: str, target: Path) -> Path:
    return Path(shutil.copytree(folder_of(home, kind), target))


@pytest.fixture
def broken(home: Path) -> Iterator[Path]:
    """A copy of the Chroma folder to be damaged."""
    path = copied(home, "chroma", home / "data" / "models" / "checkpoints" / "broken")
    yield path
    shutil.rmtree(path)


def load_broken() -> None:
    run_node(load_pipeline_, model="broken").weights.load()


def indexed(folder: Path, **changes: Foreign) -> None:
    path = folder / "model_index.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_only_classes_of_diffusers_are_put_together(broken: Path) -> None:
    (broken / "mine.py").write_text("raise SystemExit('ran')")
    for changes, field in (
        ({"_class_name": "MyPipeline"}, "_class_name"),
        ({"_class_name": ["mine", "Mine"]}, "_class_name"),
        ({"_class_name": "UNet2DModel"}, "_class_name"),
        ({"_class_name": "ChromaPipeline", "transformer": ["mine", "Mine"]}, "transformer"),
        ({"transformer": ["os", "system"]}, "transformer"),
        ({"transformer": ["transformers", "nothing"]}, "transformer"),
    ):
        indexed(broken, **changes)
        with pytest.raises(ModelUnreadable) as caught:
            load_broken()
        assert caught.value.field == field
        assert caught.value.mend


def test_what_is_missing_or_damaged_is_named(broken: Path) -> None:
    weights = broken / "transformer" / "diffusion_pytorch_model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelUnreadable, match="cut short"):
        load_broken()
    weights.write_bytes(whole)
    tensors = load_file(weights)
    weights.unlink()
    save_file(dict(list(tensors.items())[1:]), weights)
    with pytest.raises(ModelUnreadable, match="1 tensors of the transformer are missing"):
        load_broken()
    weights.unlink()
    weights.write_bytes(whole)
    shutil.rmtree(broken / "vae")
    with pytest.raises(ModelUnreadable) as caught:
        load_broken()
    assert caught.value.field == "vae"
    indexed(broken, vae=[None, None])
    index = json.loads((broken / "model_index.json").read_text())
    del index["vae"]
    (broken / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(ModelUnreadable, match="needs a vae"):
        load_broken()


def test_a_tokenizer_without_a_vocabulary_is_refused(home: Path, tmp_path: Path) -> None:
    folder = copied(home, "img2img", tmp_path / "model")
    for file in (folder / "tokenizer").iterdir():
        if file.name != "tokenizer_config.json":
            file.unlink()
    with pytest.raises(ModelUnreadable) as caught:
        load_pipeline(folder, Dtypes.all(torch.float32))
    assert caught.value.field == "tokenizer"


def test_a_step_that_is_not_finite_is_named(home: Path, broken: Path) -> None:
    weights = broken / "transformer" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    weights.unlink()
    save_file({name: one * float("nan") for name, one in tensors.items()}, weights)
    with pytest.raises(ValueRefused, match="not finite from step 1 on"):
        run_node(picture, pipeline=run_node(load_pipeline_, model="broken"), prompt="cat", steps=2, width=16, height=16)
