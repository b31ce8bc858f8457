"""LoRAs beside diffusers' own, and what they leave behind: nothing."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import DiffusionPipeline, EulerDiscreteScheduler
from safetensors.torch import save_file
from torch import Tensor, nn

from studio.diffusion import schedules
from studio.diffusion.foreign import Foreign
from studio.diffusion.lora import LoadedLoRA, LoRA, load_lora
from studio.diffusion.model import Checkpoint
from studio.diffusion.sampling import sample
from studio.diffusion.timing import Window
from studio.graph.errors import ModelUnreadable, ValueRefused
from tests.diffusion.test_pipelines import NEGATIVE, PROMPTS, conditionings

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*SwigPy.*:DeprecationWarning"),
]

LAYERS = ("attn1.to_q", "attn2.to_k", "attn2.to_out.0", "proj_in", "q_proj", "k_proj", "v_proj", "out_proj")


def random_lora(checkpoint: Checkpoint, seed: int) -> dict[str, tuple[Tensor, Tensor]]:
    """Down and up of many layers, by `unet.` or `text_encoder.` and the layer's name."""
    assert checkpoint.text_encoder is not None
    random, found = torch.Generator().manual_seed(seed), {}
    for part, network in (("unet", checkpoint.model.network), ("text_encoder", checkpoint.text_encoder.encoders[0])):
        for name, layer in network.named_modules():
            if name.endswith(LAYERS) and isinstance(layer, (nn.Linear, nn.Conv2d)):
                shape = layer.weight.shape
                down, up = (2, *shape[1:]), (shape[0], 2, *(1,) * (len(shape) - 2))
                found[f"{part}.{name}"] = tuple(torch.randn(size, generator=random) * 0.3 for size in (down, up))
    return found


def save_diffusers(lora: dict[str, tuple[Tensor, Tensor]], path: Path) -> Path:
    tensors = {}
    for name, (down, up) in lora.items():
        tensors[f"{name}.lora_A.weight"], tensors[f"{name}.lora_B.weight"] = down, up
    save_file(tensors, path)
    return path


def save_kohya(lora: dict[str, tuple[Tensor, Tensor]], path: Path) -> Path:
    tensors = {}
    for name, (down, up) in lora.items():
        part, _, layer = name.partition(".")
        begin = "lora_unet_" if part == "unet" else "lora_te_text_model_"
        flat = begin + layer.removeprefix("text_model.").replace(".", "_")
        tensors[f"{flat}.lora_down.weight"], tensors[f"{flat}.lora_up.weight"] = down, up
        tensors[f"{flat}.alpha"] = torch.tensor(2.0)
    save_file(tensors, path)
    return path


@pytest.fixture(scope="module")
def lora(sd1: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> LoadedLoRA:
    path = save_diffusers(random_lora(sd1, 1), tmp_path_factory.mktemp("loras") / "one.safetensors")
    return load_lora(path, torch.float32)


def ours(checkpoint: Checkpoint, *adapters: LoRA, text: float = 0.0) -> Tensor:
    assert checkpoint.text_encoder is not None
    with ExitStack() as attached:
        for adapter in adapters:
            reader = replace(adapter, part="text_encoder", weight=text)
            attached.enter_context(reader.attached(checkpoint.text_encoder.encoders[0]))
        positive, negative = conditionings(checkpoint, PROMPTS[:1])
    model = replace(checkpoint.model, adapters=adapters)
    sigmas, empty = schedules.sigmas("trailing", model.noise, 4), torch.zeros(model.latents.shape(*model.size))
    *_, state = sample(model, positive, negative, empty, sigmas, guidance=6.0, seed=5)
    return state.latent


def test_a_lora_is_the_pipeline_bit_for_bit(sd1: Checkpoint, sd1_folder: Path, lora: LoadedLoRA) -> None:
    pipeline: Foreign = DiffusionPipeline.from_pretrained(sd1_folder, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = EulerDiscreteScheduler.from_config(pipeline.scheduler.config, timestep_spacing="trailing")
    unet_alone = {name: pair for name, pair in random_lora(sd1, 1).items() if name.startswith("unet")}
    pipeline.load_lora_weights(save_diffusers(unet_alone, lora.path.parent / "unet.safetensors"), adapter_name="one")
    pipeline.set_adapters(["one"], [0.75])
    expected = pipeline(
        list(PROMPTS[:1]),
        negative_prompt=[NEGATIVE],
        num_inference_steps=4,
        guidance_scale=6.0,
        generator=[torch.Generator().manual_seed(5)],
        output_type="latent",
    ).images
    assert torch.equal(ours(sd1, LoRA(lora, "one", 0.75)), expected)


def test_files_of_kohya_and_diffusers_are_the_same_lora(sd1: Checkpoint, lora: LoadedLoRA, tmp_path: Path) -> None:
    other = load_lora(save_kohya(random_lora(sd1, 1), tmp_path / "kohya.safetensors"), torch.float32)
    assert {part: set(layers) for part, layers in other.parts.items()} == {
        part: set(layers) for part, layers in lora.parts.items()
    }
    made = [ours(sd1, LoRA(one, "one"), text=0.5) for one in (lora, other)]
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], ours(sd1, LoRA(lora, "one"))), "the text encoder's part counts"


def test_weight_0_and_no_lora_are_the_same_bit_for_bit(sd1: Checkpoint, lora: LoadedLoRA) -> None:
    plain = ours(sd1)
    assert torch.equal(ours(sd1, LoRA(lora, "one", 0.0)), plain)
    assert torch.equal(ours(sd1, LoRA(lora, "one", blocks=(("", 0.0),))), plain)
    parts = [ours(sd1, LoRA(lora, "one", blocks=blocks)) for blocks in ((), (("down", 0.0),), (("up_blocks", 0.0),))]
    late = ours(sd1, LoRA(lora, "one", window=Window(0.5, 1)))
    found = [plain, late, *parts]
    assert not any(torch.equal(one, two) for at, one in enumerate(found) for two in found[:at])
    assert torch.equal(ours(sd1), plain)
    assert LoRA(lora, "one", window=Window(0.5, 1)).depends_at(0, 4) == b""
    assert LoRA(lora, "one", window=Window(0.5, 1)).depends_at(2, 4) != b""


def test_five_loras_in_and_out_a_hundred_times_leave_nothing_behind(sd1: Checkpoint, tmp_path: Path) -> None:
    several = [
        LoRA(
            load_lora(save_diffusers(random_lora(sd1, seed), tmp_path / f"{seed}.safetensors"), torch.float32),
            str(seed),
        )
        for seed in range(5)
    ]
    network, plain = sd1.model.network, ours(sd1)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    names = [name for name, _ in network.named_modules()]
    for at in range(100):
        with ExitStack() as attached:
            for one in several[: at % 5 + 1]:
                attached.enter_context(one.attached(network))
    after = network.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert [name for name, _ in network.named_modules()] == names
    assert not any(module._forward_hooks for module in network.modules())
    assert torch.equal(ours(sd1), plain)


def test_what_does_not_fit_is_refused(sd1: Checkpoint, sd2: Checkpoint, lora: LoadedLoRA, tmp_path: Path) -> None:
    with pytest.raises(ValueRefused, match="made for another model"):
        ours(sd2, LoRA(lora, "one"))
    assert not any(module._forward_hooks for module in sd2.model.network.modules())
    for name, tensors in {
        "other": {"model.weight": torch.zeros(2)},
        "half": {"unet.conv_in.lora_A.weight": torch.zeros(2, 4, 3, 3)},
        "lokr": {"lora_unet_conv_in.lokr_w1": torch.zeros(2, 2)},
    }.items():
        save_file(tensors, tmp_path / f"{name}.safetensors")
        with pytest.raises(ModelUnreadable):
            load_lora(tmp_path / f"{name}.safetensors", torch.float32)
