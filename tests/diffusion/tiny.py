"""Tiny random models in the formats that real ones come in."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DiffusionPipeline,
    EulerDiscreteScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from torch import nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    Qwen2Tokenizer,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

from studio.diffusion.foreign import Foreign

WORDS = ("the", "and", "cat", "dog", "red", "on")
WINDOW = 16
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tokenizer(pad: str | None = None) -> CLIPTokenizer:
    """A CLIP tokenizer of bytes, bytes that end a word, and a few words."""
    symbols = _byte_symbols()
    tokens, merges = [*symbols, *(f"{symbol}</w>" for symbol in symbols)], []
    for word in WORDS:
        parts = [*word[:-1], f"{word[-1]}</w>"]
        while len(parts) > 1:
            merges.append((parts[0], parts[1]))
            parts[:2] = ["".join(parts[:2])]
            tokens.append(parts[0])
    tokens = list(dict.fromkeys([*tokens, "<|startoftext|>", "<|endoftext|>"]))
    extra = {} if pad is None else {"pad_token": pad}
    vocabulary = {token: index for index, token in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocabulary, merges=list(dict.fromkeys(merges)), model_max_length=WINDOW, **extra)


def chat_tokenizer() -> Qwen2Tokenizer:
    """Bytes, and the markers of a chat."""
    symbols = _byte_symbols()
    made = Qwen2Tokenizer(vocab={symbol: place for place, symbol in enumerate(symbols)}, merges=[])
    made.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    made.chat_template = CHAT
    return made


def _byte_symbols() -> list[str]:
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [chr(byte) for byte in printable] + [chr(256 + place) for place in range(256 - len(printable))]


def text_config(width: int = 32, layers: int = 3, **more: Foreign) -> CLIPTextConfig:
    size = len(tokenizer())
    return CLIPTextConfig(
        vocab_size=size,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        max_position_embeddings=WINDOW,
        bos_token_id=size - 2,
        eos_token_id=size - 1,
        pad_token_id=size - 1,
        projection_dim=width,
        **more,
    )


def t5_tokenizer() -> T5Tokenizer:
    """Letters, digits and two words, and T5's hundred sentinels."""
    letters = [(letter, -4.0) for letter in "abcdefghijklmnopqrstuvwxyz0123456789"]
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), *letters, ("▁the", -3.0), ("▁cat", -3.5)]
    sentinels = [(f"<extra_id_{place}>", 0.0) for place in range(99, -1, -1)]
    return T5Tokenizer(vocab=[*pieces, *sentinels], model_max_length=512)


def t5(width: int = 32) -> T5EncoderModel:
    torch.manual_seed(4)
    config = T5Config(
        vocab_size=len(t5_tokenizer()),
        d_model=width,
        d_kv=8,
        d_ff=37,
        num_layers=2,
        num_heads=4,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
    )
    return T5EncoderModel(config).eval()


def unet(width: int = 32, **more: Foreign) -> UNet2DConditionModel:
    torch.manual_seed(1)
    config: dict[str, Foreign] = {
        "block_out_channels": (8, 16),
        "layers_per_block": 1,
        "sample_size": 8,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "cross_attention_dim": width,
        "attention_head_dim": 4,
        "norm_num_groups": 4,
    }
    return awake(UNet2DConditionModel(**{**config, **more}))


def vae(scaling: float = 0.18215, blocks: int = 2, **more: Foreign) -> AutoencoderKL:
    torch.manual_seed(2)
    return awake(
        AutoencoderKL(
            block_out_channels=(8, 16, 16)[:blocks],
            down_block_types=["DownEncoderBlock2D"] * blocks,
            up_block_types=["UpDecoderBlock2D"] * blocks,
            norm_num_groups=4,
            scaling_factor=scaling,
            **more,
        )
    )


def awake(model: Foreign) -> Foreign:
    """Fills parameters that start as zeros (output layers do): else the model answers 0 to everything, and tests prove nothing."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in model.parameters():
            if not parameter.any():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.05)
    network: nn.Module = model
    return network.eval()


def scheduler(prediction: str = "epsilon", **more: Foreign) -> DDIMScheduler:
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type=prediction,
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        **more,
    )


def sd_pipeline(width: int = 32, prediction: str = "epsilon", **unet_config: Foreign) -> StableDiffusionPipeline:
    """The shape of Stable Diffusion 1; with width 1024 and v-prediction, of 2."""
    torch.manual_seed(0)
    padding = "!" if width == 1024 else None
    pipeline = StableDiffusionPipeline(
        unet=unet(width, **unet_config),
        vae=vae(),
        text_encoder=CLIPTextModel(text_config(width)).eval(),
        tokenizer=tokenizer(padding),
        scheduler=scheduler(prediction),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def sdxl_pipeline() -> StableDiffusionXLPipeline:
    """The shape of SDXL. The two text encoders differ in width, by which loaders tell them apart."""
    torch.manual_seed(0)
    pipeline = StableDiffusionXLPipeline(
        unet=unet(
            32 + 48,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            transformer_layers_per_block=(1, 2),
            projection_class_embeddings_input_dim=6 * 8 + 48,
        ),
        vae=vae(0.13025),
        text_encoder=CLIPTextModel(text_config(32)).eval(),
        text_encoder_2=CLIPTextModelWithProjection(text_config(48, hidden_act="gelu")).eval(),
        tokenizer=tokenizer(),
        tokenizer_2=tokenizer("!"),
        scheduler=EulerDiscreteScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            timestep_spacing="leading",
            steps_offset=1,
        ),
        add_watermarker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def save(pipeline: DiffusionPipeline, folder: Path, **options: Foreign) -> Path:
    pipeline.save_pretrained(folder, **options)
    return folder
