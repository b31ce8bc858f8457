"""ControlNets and T2I-Adapters beside the diffusers pipelines: one, several, and each in its window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import (
    ControlNetModel,
    EulerDiscreteScheduler,
    MultiControlNetModel,
    StableDiffusionAdapterPipeline,
    StableDiffusionControlNetPipeline,
    StableDiffusionXLControlNetPipeline,
    T2IAdapter,
    UNet2DConditionModel,
)
from safetensors.torch import save_file
from torch import Tensor

from studio.diffusion import schedules
from studio.diffusion.controlnet import Controlled, LoadedControlNet, load_controlnet, picture_hint
from studio.diffusion.foreign import Foreign
from studio.diffusion.guidance import Guidance
from studio.diffusion.model import Checkpoint
from studio.diffusion.regions import Area, Control, Part
from studio.diffusion.sampling import make_denoiser, sample
from studio.diffusion.timing import Curve, Window
from studio.graph.errors import ModelUnreadable, ValueRefused
from tests.diffusion import tiny
from tests.diffusion.analytic import distance
from tests.diffusion.test_pipelines import NEGATIVE, PROMPTS, conditionings

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

STEPS = 4


def control_net(unet: UNet2DConditionModel, seed: int) -> ControlNetModel:
    torch.manual_seed(seed)
    # The tiny VAE halves edges once, hence the tiny hint network too.
    made = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(8, 16))
    return tiny.awake(made)


def picture(checkpoint: Checkpoint, seed: int, batch: int = 1) -> Tensor:
    width, height = checkpoint.model.size
    return torch.rand(batch, height, width, 3, generator=torch.Generator().manual_seed(seed))


def steering(checkpoint: Checkpoint, control: LoadedControlNet, seed: int) -> Controlled:
    return Controlled(control, picture_hint(picture(checkpoint, seed), checkpoint.model.latents.factor), bytes([seed]))


def ours(
    checkpoint: Checkpoint, controls: Sequence[Control], prompts: Sequence[str] = PROMPTS[:1], **more: Foreign
) -> Tensor:
    positive, negative = conditionings(checkpoint, prompts)
    model = checkpoint.model
    sigmas = schedules.sigmas("trailing", model.noise, STEPS)
    empty = torch.zeros(model.latents.shape(*model.size))
    part = Part(positive, controls=tuple(controls), **more)
    *_, state = sample(model, [part], negative, empty, sigmas, guidance=6.0, seed=5)
    return state.latent


def theirs(kind: Foreign, folder: Path, prompts: Sequence[str] = PROMPTS[:1], **more: Foreign) -> Tensor:
    parts = {name: more.pop(name) for name in ("controlnet", "adapter") if name in more}
    if "XL" not in kind.__name__:
        parts |= {"safety_checker": None, "feature_extractor": None}
    pipeline = kind.from_pretrained(folder, dtype=torch.float32, **parts)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = EulerDiscreteScheduler.from_config(pipeline.scheduler.config, timestep_spacing="trailing")
    images: Tensor = pipeline(
        list(prompts),
        negative_prompt=[NEGATIVE] * len(prompts),
        num_inference_steps=STEPS,
        guidance_scale=6.0,
        generator=[torch.Generator().manual_seed(5 + at) for at in range(len(prompts))],
        output_type="latent",
        **more,
    ).images
    return images


@pytest.fixture(scope="module")
def nets(sd1: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> list[LoadedControlNet]:
    """Two ControlNets, from folders."""
    found = []
    for seed in (1, 2):
        folder = tmp_path_factory.mktemp("models") / f"control{seed}"
        control_net(sd1.model.network, seed).save_pretrained(folder)
        found.append(load_controlnet(folder, torch.float32))
    return found


def channels_first(checkpoint: Checkpoint, seed: int) -> Tensor:
    return picture(checkpoint, seed).permute(0, 3, 1, 2).contiguous()


def test_one_control_net_is_the_pipeline_bit_for_bit(
    sd1: Checkpoint, sd1_folder: Path, nets: list[LoadedControlNet]
) -> None:
    expected = theirs(
        StableDiffusionControlNetPipeline,
        sd1_folder,
        controlnet=nets[0].network,
        image=channels_first(sd1, 1),
        controlnet_conditioning_scale=0.8,
    )
    made = ours(sd1, [Control(steering(sd1, nets[0], 1), Curve.level(0.8))])
    assert torch.equal(made, expected)
    assert distance(made, ours(sd1, [])) > 1e-3
    assert not torch.equal(made, ours(sd1, [Control(steering(sd1, nets[0], 2), Curve.level(0.8))])), "the hint counts"


def test_several_control_nets_each_in_its_window_are_the_pipeline_bit_for_bit(
    sd1: Checkpoint, sd1_folder: Path, nets: list[LoadedControlNet]
) -> None:
    expected = theirs(
        StableDiffusionControlNetPipeline,
        sd1_folder,
        PROMPTS,
        controlnet=MultiControlNetModel([net.network for net in nets]),
        image=[channels_first(sd1, 1).repeat(2, 1, 1, 1), channels_first(sd1, 2).repeat(2, 1, 1, 1)],
        controlnet_conditioning_scale=[0.8, 1.5],
        control_guidance_start=[0.0, 0.5],
        control_guidance_end=[0.75, 1.0],
    )
    controls = [
        Control(steering(sd1, nets[0], 1), Curve.level(0.8), Window(0, 0.75)),
        Control(steering(sd1, nets[1], 2), Curve.level(1.5), Window(0.5, 1)),
    ]
    assert torch.equal(ours(sd1, controls, PROMPTS), expected)


def test_sdxl_is_the_pipeline_bit_for_bit(sdxl: Checkpoint, sdxl_folder: Path, tmp_path: Path) -> None:
    control_net(sdxl.model.network, 3).save_pretrained(tmp_path / "control")
    net = load_controlnet(tmp_path / "control", torch.float32)
    image = channels_first(sdxl, 1)
    expected = theirs(
        StableDiffusionXLControlNetPipeline,
        sdxl_folder,
        controlnet=net.network,
        image=image,
        controlnet_conditioning_scale=0.5,
    )
    assert torch.equal(ours(sdxl, [Control(steering(sdxl, net, 1), Curve.level(0.5))]), expected)


def test_an_adapter_is_the_pipeline_bit_for_bit(sd1: Checkpoint, sd1_folder: Path, tmp_path: Path) -> None:
    torch.manual_seed(4)
    adapter = tiny.awake(T2IAdapter(channels=[8, 16], downscale_factor=2, num_res_blocks=1))
    adapter.save_pretrained(tmp_path / "adapter")
    net = load_controlnet(tmp_path / "adapter", torch.float32)
    expected = theirs(
        StableDiffusionAdapterPipeline,
        sd1_folder,
        adapter=net.network,
        image=channels_first(sd1, 1),
        adapter_conditioning_scale=0.7,
    )
    assert torch.equal(ours(sd1, [Control(steering(sd1, net, 1), Curve.level(0.7))]), expected)


def test_a_single_file_is_the_folder(sd1: Checkpoint, nets: list[LoadedControlNet], tmp_path: Path) -> None:
    from studio.diffusion.foreign import config_of

    (tmp_path / "config" / "controlnet").mkdir(parents=True)
    config_of_net: Foreign = nets[0].network
    config_of_net.save_config(tmp_path / "config" / "controlnet")
    save_file(nets[0].network.state_dict(), tmp_path / "edges.safetensors")
    found = load_controlnet(tmp_path / "edges.safetensors", torch.float32, tmp_path / "config")
    assert config_of(found.network).cross_attention_dim == 32
    both = [ours(sd1, [Control(steering(sd1, net, 1))]) for net in (found, nets[0])]
    assert torch.equal(both[0], both[1])
    with pytest.raises(ModelUnreadable, match="not a ControlNet"):
        load_controlnet(tmp_path / "edges.safetensors", torch.float32)


def test_a_control_on_one_part_leaves_the_others_as_they_were(sd1: Checkpoint, nets: list[LoadedControlNet]) -> None:
    cat, dog = (conditionings(sd1, [prompt])[0] for prompt in PROMPTS)
    left = torch.zeros(1, 8, 8)
    left[..., :4] = 1
    control = Control(steering(sd1, nets[0], 1))
    x = torch.randn(sd1.model.latents.shape(*sd1.model.size), generator=torch.Generator().manual_seed(3))

    def denoised(*parts: Part, scale: float = 1.0) -> Tensor:
        _, negative = conditionings(sd1, PROMPTS[:1])
        return make_denoiser(sd1.model, parts, negative, scale)(x, 2.0)

    both = denoised(Part(cat, region=left, controls=(control,)), Part(dog, region=1 - left))
    half = x.shape[-1] // 2
    assert distance(both[..., :half], denoised(Part(cat, controls=(control,)))[..., :half]) < 1e-6
    assert distance(both[..., half:], denoised(Part(dog))[..., half:]) < 1e-6
    guided = denoised(Part(cat, region=left, controls=(control,)), Part(dog, region=1 - left), scale=5.0)
    alone = denoised(Part(cat, controls=(control,)), scale=5.0), denoised(Part(dog), scale=5.0)
    assert distance(guided[..., :half], alone[0][..., :half]) < 1e-5, "the negative has the same control there"
    assert distance(guided[..., half:], alone[1][..., half:]) < 1e-5
    right = Part(dog, area=Area(0.5, 0, 0.5, 1), controls=(control,))
    cropped = denoised(Part(cat, area=Area(0, 0, 0.5, 1)), right)
    whole = make_denoiser(sd1.model, cat, None, 1.0)(x[..., :half].contiguous(), 2.0)
    assert distance(cropped[..., :half], whole) < 1e-6
    assert distance(cropped[..., half:], denoised(replace(right, controls=()), Part(cat))[..., half:]) > 1e-4


def test_a_step_depends_on_the_controls_that_act_in_it(sd1: Checkpoint, nets: list[LoadedControlNet]) -> None:
    positive, negative = conditionings(sd1, PROMPTS[:1])
    sigmas = schedules.sigmas("trailing", sd1.model.noise, STEPS)

    def dependencies(*controls: Control) -> list[bytes]:
        denoiser = make_denoiser(sd1.model, [Part(positive, controls=controls)], negative, Guidance(6.0), sigmas)
        return [denoiser.depends_at(step) for step in range(STEPS)]

    plain = dependencies()
    late = dependencies(Control(steering(sd1, nets[0], 1), window=Window(0.5, 1)))
    assert [one == other for one, other in zip(plain, late, strict=True)] == [True, True, False, False]
    fading = dependencies(Control(steering(sd1, nets[0], 1), Curve(((0.0, 1.0), (1.0, 0.0)))))
    assert len(set(fading)) == STEPS
    assert fading[-1] == plain[-1]


def test_what_does_not_fit_is_refused(
    sd1: Checkpoint, sdxl: Checkpoint, nets: list[LoadedControlNet], sd1_folder: Path
) -> None:
    with pytest.raises(ValueRefused, match="takes text embeddings 32 wide") as refused:
        ours(sdxl, [Control(steering(sdxl, nets[0], 1))])
    assert "family" in refused.value.mend
    with pytest.raises(ModelUnreadable, match="UNet2DConditionModel is not known"):
        load_controlnet(sd1_folder / "unet", torch.float32)
