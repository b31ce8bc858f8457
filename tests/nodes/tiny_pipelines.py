"""Tiny random pipelines of diffusers of many kinds, as folders. Their shapes follow from their classes' arguments."""

from __future__ import annotations

import torch
from diffusers import (
    AutoencoderKL,
    ChromaPipeline,
    ChromaTransformer2DModel,
    DanceDiffusionPipeline,
    DDIMScheduler,
    DDPMScheduler,
    DiTPipeline,
    DiTTransformer2DModel,
    FlowMatchEulerDiscreteScheduler,
    IFPipeline,
    IPNDMScheduler,
    KandinskyV22Pipeline,
    KandinskyV22PriorPipeline,
    PriorTransformer,
    StableDiffusionImg2ImgPipeline,
    TextToVideoSDPipeline,
    UnCLIPScheduler,
    UNet1DModel,
    UNet2DConditionModel,
    UNet3DConditionModel,
    VQModel,
)
from transformers import (
    CLIPImageProcessor,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

from studio.diffusion.foreign import Foreign
from tests.diffusion import tiny


def img2img() -> Foreign:
    parts = tiny.sd_pipeline().components
    return StableDiffusionImg2ImgPipeline(**parts, requires_safety_checker=False)


def deepfloyd() -> Foreign:
    """Pixels, T5, a learned variance, and no callback at the end of a step."""
    torch.manual_seed(1)
    unet = UNet2DConditionModel(
        sample_size=16,
        layers_per_block=1,
        block_out_channels=(8, 16),
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        in_channels=3,
        out_channels=6,
        cross_attention_dim=32,
        encoder_hid_dim=32,
        attention_head_dim=8,
        norm_num_groups=4,
        addition_embed_type="text",
        addition_embed_type_num_heads=2,
        cross_attention_norm="group_norm",
        resnet_time_scale_shift="scale_shift",
    )
    return IFPipeline(
        tokenizer=tiny.t5_tokenizer(),
        text_encoder=tiny.t5(),
        unet=tiny.awake(unet),
        scheduler=DDPMScheduler(
            beta_schedule="squaredcos_cap_v2", thresholding=True, sample_max_value=1.0, variance_type="learned_range"
        ),
        safety_checker=None,
        feature_extractor=None,
        watermarker=None,
        requires_safety_checker=False,
    )


def kandinsky_prior() -> Foreign:
    torch.manual_seed(2)
    vision = CLIPVisionConfig(
        hidden_size=32,
        image_size=32,
        projection_dim=32,
        intermediate_size=37,
        num_attention_heads=4,
        num_hidden_layers=2,
        patch_size=14,
    )
    return KandinskyV22PriorPipeline(
        prior=tiny.awake(
            PriorTransformer(
                num_attention_heads=2, attention_head_dim=12, embedding_dim=32, num_layers=1, num_embeddings=tiny.WINDOW
            )
        ),
        image_encoder=CLIPVisionModelWithProjection(vision).eval(),
        text_encoder=CLIPTextModelWithProjection(tiny.text_config(32)).eval(),
        tokenizer=tiny.tokenizer(),
        scheduler=UnCLIPScheduler(
            variance_type="fixed_small_log", prediction_type="sample", clip_sample=True, clip_sample_range=10.0
        ),
        image_processor=CLIPImageProcessor(crop_size=32, size=32),
    )


def kandinsky() -> Foreign:
    torch.manual_seed(3)
    unet = UNet2DConditionModel(
        in_channels=4,
        out_channels=8,
        sample_size=8,
        addition_embed_type="image",
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        block_out_channels=(32, 64),
        layers_per_block=1,
        encoder_hid_dim=32,
        encoder_hid_dim_type="image_proj",
        cross_attention_dim=32,
        attention_head_dim=4,
        resnet_time_scale_shift="scale_shift",
    )
    movq = VQModel(
        block_out_channels=(32, 64),
        down_block_types=("DownEncoderBlock2D", "AttnDownEncoderBlock2D"),
        up_block_types=("AttnUpDecoderBlock2D", "UpDecoderBlock2D"),
        latent_channels=4,
        norm_num_groups=8,
        norm_type="spatial",
        num_vq_embeddings=12,
        vq_embed_dim=4,
    )
    return KandinskyV22Pipeline(
        unet=tiny.awake(unet),
        movq=tiny.awake(movq),
        scheduler=DDIMScheduler(beta_start=0.00085, beta_end=0.012, clip_sample=False, steps_offset=1),
    )


def chroma() -> Foreign:
    """A flow transformer on packed latents."""
    torch.manual_seed(4)
    transformer = ChromaTransformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        axes_dims_rope=(4, 4, 8),
        approximator_num_channels=64,
        approximator_hidden_dim=32,
        approximator_layers=1,
    )
    return ChromaPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=tiny.vae(0.3611, shift_factor=0.1159, use_quant_conv=False, use_post_quant_conv=False),
        text_encoder=tiny.t5(),
        tokenizer=tiny.t5_tokenizer(),
        transformer=tiny.awake(transformer),
    )


def dit() -> Foreign:
    """Told a class, not a prompt."""
    torch.manual_seed(5)
    transformer = DiTTransformer2DModel(
        sample_size=8, num_layers=2, patch_size=4, attention_head_dim=8, num_attention_heads=2, in_channels=4, out_channels=8,
        num_embeds_ada_norm=1000, norm_eps=1e-6,
    )  # fmt: skip
    return DiTPipeline(transformer=tiny.awake(transformer), vae=tiny.vae(), scheduler=DDIMScheduler())


def text_to_video() -> Foreign:
    torch.manual_seed(6)
    unet = UNet3DConditionModel(
        block_out_channels=(8, 8),
        layers_per_block=1,
        sample_size=8,
        down_block_types=("CrossAttnDownBlock3D", "DownBlock3D"),
        up_block_types=("UpBlock3D", "CrossAttnUpBlock3D"),
        cross_attention_dim=32,
        attention_head_dim=4,
        norm_num_groups=2,
    )
    vae: AutoencoderKL = tiny.vae()
    return TextToVideoSDPipeline(
        vae=vae,
        text_encoder=CLIPTextModel(tiny.text_config(32)).eval(),
        tokenizer=tiny.tokenizer(),
        unet=tiny.awake(unet),
        scheduler=tiny.scheduler(),
    )


def dance_diffusion() -> Foreign:
    """Sound from nothing, without a VAE."""
    torch.manual_seed(7)
    unet = UNet1DModel(
        block_out_channels=(32, 32, 64),
        extra_in_channels=64,
        sample_size=512,
        sample_rate=16_000,
        in_channels=2,
        out_channels=2,
        flip_sin_to_cos=True,
        use_timestep_embedding=False,
        time_embedding_type="fourier",
        mid_block_type="UNetMidBlock1D",
        down_block_types=("DownBlock1DNoSkip", "DownBlock1D", "AttnDownBlock1D"),
        up_block_types=("AttnUpBlock1D", "UpBlock1D", "UpBlock1DNoSkip"),
    )
    return DanceDiffusionPipeline(unet=tiny.awake(unet), scheduler=IPNDMScheduler())
