"""Flux.2: equal to the pipelines bit for bit, dev and klein, with pictures to go by; found by its headers; network files."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from diffusers import (
    AutoencoderKLFlux2,
    FlowMatchEulerDiscreteScheduler,
    Flux2KleinPipeline,
    Flux2Pipeline,
    Flux2Transformer2DModel,
)
from diffusers.pipelines.flux2.pipeline_flux2 import compute_empirical_mu
from PIL import Image as Pillow
from safetensors.torch import save_file
from torch import Tensor
from transformers import (
    Mistral3Config,
    Mistral3ForConditionalGeneration,
    PixtralImageProcessor,
    PixtralProcessor,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from studio.diffusion.decode import decode, encode
from studio.diffusion.denoise import OneForward
from studio.diffusion.foreign import Foreign
from studio.diffusion.guidance import Guided
from studio.diffusion.model import Checkpoint, Conditioned
from studio.diffusion.noise import seeded_noise
from studio.diffusion.sampling import make_denoiser, sample
from studio.diffusion.weights.checkpoint import identify, load_checkpoint
from studio.graph.errors import ModelUnreadable, ValueRefused
from studio.resources import resource
from tests.diffusion import tiny
from tests.diffusion.analytic import distance
from tests.diffusion.conftest import FLOAT32
from tests.diffusion.pipelines import PROMPTS, apart, claims, drive, encoded, opened, run_theirs, through_the_nodes

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*SwigPy.*:DeprecationWarning"),
]

WIDTH, HEIGHT = 64, 72
SIZE = {"width": WIDTH, "height": HEIGHT}
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}"
    "{% for part in message['content'] %}{{ part['text'] }}{% endfor %}<|im_end|>{% endfor %}"
)


def network(*, guided: bool = True) -> Flux2Transformer2DModel:
    torch.manual_seed(1)
    return tiny.awake(
        Flux2Transformer2DModel(
            in_channels=16,
            num_layers=1,
            num_single_layers=2,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=3 * 8,
            axes_dims_rope=(4, 4, 4, 4),
            guidance_embeds=guided,
        )
    )


def vae() -> AutoencoderKLFlux2:
    torch.manual_seed(2)
    made = AutoencoderKLFlux2(
        block_out_channels=(8, 16),
        down_block_types=["DownEncoderBlock2D"] * 2,
        up_block_types=["UpDecoderBlock2D"] * 2,
        layers_per_block=1,
        norm_num_groups=4,
        latent_channels=4,
    )
    made.bn.running_mean.normal_()
    made.bn.running_var.uniform_(0.5, 2)
    return tiny.awake(made)


def scheduler() -> FlowMatchEulerDiscreteScheduler:
    return FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True)


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    tokenizer = tiny.chat_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["[IMG]", "[IMG_BREAK]", "[IMG_END]"]})
    tokenizer.pad_token = "!"
    text = {
        "model_type": "mistral",
        "vocab_size": len(tokenizer),
        "hidden_size": 8,
        "intermediate_size": 8,
        "num_hidden_layers": 31,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 4,
    }
    vision = {
        "model_type": "pixtral",
        "hidden_size": 8,
        "intermediate_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 28,
        "patch_size": 14,
    }
    made = Flux2Pipeline(
        transformer=network(),
        vae=vae(),
        text_encoder=Mistral3ForConditionalGeneration(Mistral3Config(text_config=text, vision_config=vision)).eval(),
        tokenizer=PixtralProcessor(PixtralImageProcessor(), tokenizer, chat_template=TEMPLATE),
        scheduler=scheduler(),
    )
    return tiny.save(made, tmp_path_factory.mktemp("models") / "flux2")


@pytest.fixture(scope="module")
def klein(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    text = Qwen3Config(
        vocab_size=len(tiny.chat_tokenizer()),
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=28,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=4,
    )
    made = Flux2KleinPipeline(
        transformer=network(guided=False),
        vae=vae(),
        text_encoder=Qwen3ForCausalLM(text).eval(),
        tokenizer=tiny.chat_tokenizer(),
        scheduler=scheduler(),
    )
    return tiny.save(made, tmp_path_factory.mktemp("models") / "klein")


def picture(seed: int, width: int = 72, height: int = 64) -> Tensor:
    """(1, height, width, 3), in steps of 1/255."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, (1, height, width, 3), generator=generator) / 255


def pillow(one: Tensor) -> Pillow.Image:
    return Pillow.fromarray((one[0] * 255).round().byte().numpy())


def their_latent(pipeline: Foreign, one: Tensor) -> Tensor:
    """Of a picture to go by. The pipeline's tensor has other strides than ours, which moves the VAE's last bits."""
    height, width = one.shape[1:3]
    ready = pipeline.image_processor.preprocess(pillow(one), height=height, width=width, resize_mode="crop")
    with torch.no_grad():
        latent: Tensor = pipeline._encode_vae_image(ready, None)
    return latent


def noise(checkpoint: Checkpoint) -> Tensor:
    return seeded_noise(5, checkpoint.model.latents.shape(WIDTH, HEIGHT, batch=len(PROMPTS)))


@pytest.mark.parametrize("count", [0, 1, 2])
def test_dev_with_the_pipelines_own_scheduler_is_the_pipeline_bit_for_bit(dev: Path, count: int) -> None:
    checkpoint, pipeline = load_checkpoint(dev, FLOAT32), opened(dev)
    pictures = [picture(seed) for seed in range(count)]
    options = {"image": [pillow(one) for one in pictures]} if pictures else {}
    packed, shown = run_theirs(pipeline, num_inference_steps=3, guidance_scale=2.5, **SIZE, **options)
    latent = packed.movedim(1, 2).unflatten(2, (HEIGHT // 4, WIDTH // 4))
    latents = [their_latent(pipeline, one) for one in pictures]
    assert checkpoint.vae is not None
    for one, latent_of_one in zip(pictures, latents, strict=True):
        assert torch.allclose(encode(checkpoint.vae, one), latent_of_one, atol=1e-5)
    extras = {f"reference.{number}": one.expand(len(PROMPTS), -1, -1, -1) for number, one in enumerate(latents)}
    positive = Conditioned(encoded(checkpoint).embeds, extras=extras)
    denoiser = make_denoiser(checkpoint.model, positive, None, 2.5)
    x = drive(denoiser.prediction, pipeline.scheduler, noise(checkpoint))
    assert torch.equal(x, latent)
    assert torch.equal(decode(checkpoint.vae, x), shown)


@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_klein_with_the_pipelines_own_scheduler_is_the_pipeline_bit_for_bit(klein: Path, guidance: float) -> None:
    checkpoint, pipeline = load_checkpoint(klein, FLOAT32), opened(klein)
    _, shown = run_theirs(pipeline, num_inference_steps=3, guidance_scale=guidance, **SIZE)
    positive, negative = encoded(checkpoint), encoded(checkpoint, [""] * len(PROMPTS))
    model = checkpoint.model
    denoiser = Guided(model, apart(OneForward(model)), positive, negative, guidance)
    x = drive(denoiser.prediction, pipeline.scheduler, noise(checkpoint))
    assert checkpoint.vae is not None
    assert torch.equal(decode(checkpoint.vae, x), shown)


def test_our_own_run_is_the_pipeline_up_to_rounding(klein: Path) -> None:
    checkpoint, pipeline = load_checkpoint(klein, FLOAT32), opened(klein)
    _, shown = run_theirs(pipeline, num_inference_steps=3, guidance_scale=4.0, **SIZE)
    sigmas = tuple(float(sigma) for sigma in pipeline.scheduler.sigmas)
    empty = torch.zeros(checkpoint.model.latents.shape(WIDTH, HEIGHT))
    positive, negative = encoded(checkpoint), encoded(checkpoint, [""])
    *_, state = sample(checkpoint.model, positive, negative, empty, sigmas, guidance=4.0, seed=5)
    assert checkpoint.vae is not None
    assert distance(decode(checkpoint.vae, state.latent), shown) < 1e-5


def test_a_folder_says_what_it_is(dev: Path, klein: Path) -> None:
    assert identify(dev).detected.variant == ""
    assert identify(klein).detected.variant == "klein"
    model = load_checkpoint(dev, FLOAT32).model
    assert (model.latents.channels, model.latents.factor, model.latents.patch) == (16, 4, 1)
    assert model.noise.sigma(499) == pytest.approx(1 / (1 + math.exp(-compute_empirical_mu(4096, 50))))


def original(ours: dict[str, Tensor]) -> dict[str, Tensor]:
    """The network as the authors' own file has it: query, key and value in one."""
    names = {
        "x_embedder": "img_in",
        "context_embedder": "txt_in",
        "time_guidance_embed.timestep_embedder.linear_1": "time_in.in_layer",
        "time_guidance_embed.timestep_embedder.linear_2": "time_in.out_layer",
        "time_guidance_embed.guidance_embedder.linear_1": "guidance_in.in_layer",
        "time_guidance_embed.guidance_embedder.linear_2": "guidance_in.out_layer",
        "double_stream_modulation_img.linear": "double_stream_modulation_img.lin",
        "double_stream_modulation_txt.linear": "double_stream_modulation_txt.lin",
        "single_stream_modulation.linear": "single_stream_modulation.lin",
        "proj_out": "final_layer.linear",
        "norm_out.linear": "final_layer.adaLN_modulation.1",
    }
    double = {
        "attn.norm_q": ("img_attn.norm.query_norm", "scale"),
        "attn.norm_k": ("img_attn.norm.key_norm", "scale"),
        "attn.to_out.0": ("img_attn.proj", "weight"),
        "ff.linear_in": ("img_mlp.0", "weight"),
        "ff.linear_out": ("img_mlp.2", "weight"),
        "attn.norm_added_q": ("txt_attn.norm.query_norm", "scale"),
        "attn.norm_added_k": ("txt_attn.norm.key_norm", "scale"),
        "attn.to_add_out": ("txt_attn.proj", "weight"),
        "ff_context.linear_in": ("txt_mlp.0", "weight"),
        "ff_context.linear_out": ("txt_mlp.2", "weight"),
    }
    single = {
        "attn.to_qkv_mlp_proj": ("linear1", "weight"),
        "attn.to_out": ("linear2", "weight"),
        "attn.norm_q": ("norm.query_norm", "scale"),
        "attn.norm_k": ("norm.key_norm", "scale"),
    }
    made: dict[str, Tensor] = {}
    for name, tensor in ours.items():
        stem = name.removesuffix(".weight")
        if stem in names:
            made[f"{names[stem]}.weight"] = torch.cat(tensor.chunk(2)[::-1]) if stem == "norm_out.linear" else tensor
            continue
        kind, block, part = stem.split(".", 2)
        blocks, table = ("double_blocks", double) if kind == "transformer_blocks" else ("single_blocks", single)
        if part in table:
            made[f"{blocks}.{block}.{table[part][0]}.{table[part][1]}"] = tensor
    for block in {name.split(".")[1] for name in ours if name.startswith("transformer_blocks.")}:
        for where, parts in (("img", ("to_q", "to_k", "to_v")), ("txt", ("add_q_proj", "add_k_proj", "add_v_proj"))):
            whole = [ours[f"transformer_blocks.{block}.attn.{part}.weight"] for part in parts]
            made[f"double_blocks.{block}.{where}_attn.qkv.weight"] = torch.cat(whole)
    return made


@pytest.mark.parametrize("prefix", ["", "model.diffusion_model."])
@pytest.mark.parametrize("layout", ["diffusers", "ldm"])
def test_a_single_file_holds_the_network(dev: Path, tmp_path: Path, layout: str, prefix: str) -> None:
    expected = network().state_dict()
    weights = expected if layout == "diffusers" else original(expected)
    file = tmp_path / "flux2.safetensors"
    save_file({f"{prefix}{name}": one.contiguous() for name, one in weights.items()}, file)
    found = load_checkpoint(file, FLOAT32, config=dev)
    assert found.vae is None
    assert found.text_encoder is None
    loaded = found.model.network.state_dict()
    assert loaded.keys() == expected.keys()
    assert all(torch.equal(one, expected[name]) for name, one in loaded.items())
    whole = load_checkpoint(dev, FLOAT32).model
    assert (found.model.latents, found.model.noise) == (whole.latents, whole.noise)


@pytest.mark.parametrize(
    ("config", "variant"), [("transformer", ""), ("transformer_klein_9b", "klein"), ("transformer_klein_4b", "klein")]
)
def test_full_size_networks_are_known_by_their_headers(config: str, variant: str) -> None:
    with torch.device("meta"):
        stated = Flux2Transformer2DModel.load_config(resource("families", "flux2", config))
        weights = Flux2Transformer2DModel.from_config(stated).state_dict()
    assert claims(weights) == [("flux2", variant, "diffusers")]
    assert claims(original(weights)) == [("flux2", variant, "ldm")]


def test_a_file_of_an_unknown_size_says_what_to_choose_instead(tmp_path: Path) -> None:
    file = tmp_path / "flux2.safetensors"
    save_file(network().state_dict(), file)
    with pytest.raises(ModelUnreadable, match="24 wide"):
        load_checkpoint(file, FLOAT32)


def test_a_text_encoder_of_another_kind_is_named(dev: Path, tmp_path: Path) -> None:
    import json
    import shutil

    copy = Path(shutil.copytree(dev, tmp_path / "model"))
    index: dict[str, Foreign] = json.loads((copy / "model_index.json").read_text())
    index["text_encoder"] = ["transformers", "GemmaModel"]
    (copy / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(ModelUnreadable, match="GemmaModel"):
        load_checkpoint(copy, FLOAT32)


def test_the_nodes_make_a_picture(klein: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = through_the_nodes(klein, monkeypatch)
    assert image.pixels.shape == (1, 32, 24, 3)
    assert image.pixels.std() > 0


def test_what_does_not_fit_is_refused(klein: Path) -> None:
    checkpoint = load_checkpoint(klein, FLOAT32)
    positive, empty = encoded(checkpoint, ["a"]), torch.zeros(1, 16, 8, 8)
    with pytest.raises(ValueRefused) as caught:
        list(sample(checkpoint.model, Conditioned(torch.zeros(1, 4, 32)), None, empty, (1.0, 0.0), guidance=1.0))
    assert caught.value.socket == "positive"
    other = Conditioned(positive.embeds, extras={"reference.0": torch.zeros(1, 4, 8, 8)})
    with pytest.raises(ValueRefused, match="reference picture"):
        list(sample(checkpoint.model, other, None, empty, (1.0, 0.0), guidance=1.0))
