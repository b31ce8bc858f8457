"""Settings that Fooocus, SwarmUI, NovelAI and InvokeAI write into pictures as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from studio.files.a1111 import read_parameters
from studio.files.generation import Generation

_MODEL_ENDINGS: Final = (".safetensors", ".ckpt")
_SAMPLERS: Final = {
    "k_euler": "euler", "k_euler_ancestral": "euler_ancestral", "k_euler_a": "euler_ancestral", "k_lms": "lms", "k_heun": "heun",
    "k_dpm_2": "dpm_2", "k_dpm_2_a": "dpm_2_ancestral", "k_dpm_2_ancestral": "dpm_2_ancestral", "k_dpmpp_2m": "dpmpp_2m",
    "k_dpmpp_sde": "dpmpp_sde", "k_dpmpp_2m_sde": "dpmpp_2m_sde", "k_dpmpp_2s_ancestral": "dpmpp_2s_ancestral",
    "euler_a": "euler_ancestral",
    "dpmpp_2m_sde_gpu": "dpmpp_2m_sde", "dpmpp_sde_gpu": "dpmpp_sde", "dpmpp_3m_sde_gpu": "dpmpp_3m_sde", "dpmpp_2s": "dpmpp_2s_ancestral",
    "unipc": "uni_pc", "dpmpp_3m": "dpmpp_3m_sde", "ddim_v3": "ddim", "dpm2": "dpm_2", "pndm": "plms",
}  # fmt: skip


def read_fooocus(held: Mapping[str, Any]) -> Generation:
    """JSON in `parameters` with the keys of Fooocus 2.2 and later."""
    left = dict(held)
    made = Generation("Fooocus")
    made.positive, made.negative = _text(left, "prompt"), _text(left, "negative_prompt")
    made.seed, made.steps, made.guidance = _whole(left, "seed"), _whole(left, "steps"), _number(left, "guidance_scale")
    made.sampler, made.schedule = _sampler(_text(left, "sampler")), _text(left, "scheduler")
    made.model = _text(left, "base_model")
    edges = [
        part for part in _text(left, "resolution").strip("() ").replace("x", ",").split(",") if part.strip().isdecimal()
    ]
    if len(edges) == 2:
        made.width, made.height = int(edges[0]), int(edges[1])
    made.clip_skip = _whole(left, "clip_skip")
    made.other = left
    return made


def read_swarmui(held: Mapping[str, Any]) -> Generation:
    """JSON in `parameters` with `sui_image_params`."""
    params = held.get("sui_image_params")
    left = dict(params) if isinstance(params, dict) else {}
    made = Generation("SwarmUI")
    made.positive, made.negative = _text(left, "prompt"), _text(left, "negativeprompt")
    made.seed, made.steps, made.guidance = _whole(left, "seed"), _whole(left, "steps"), _number(left, "cfgscale")
    made.width, made.height = _whole(left, "width"), _whole(left, "height")
    made.sampler, made.schedule = _sampler(_text(left, "sampler")), _text(left, "scheduler")
    made.model = _model(_text(left, "model"))
    made.other = left
    return made


def read_novelai(held: Mapping[str, Any], prompt: str = "") -> Generation:
    """JSON in `Comment`; the prompt stands in it, or in the picture's `Description`."""
    left = dict(held)
    made = Generation("NovelAI")
    made.positive, made.negative = _text(left, "prompt") or prompt, _text(left, "uc")
    made.seed, made.steps, made.guidance = _whole(left, "seed"), _whole(left, "steps"), _number(left, "scale")
    made.width, made.height = _whole(left, "width"), _whole(left, "height")
    made.sampler, made.schedule = _sampler(_text(left, "sampler")), _text(left, "noise_schedule")
    made.denoise = _number(left, "strength")
    made.other = left
    return made


def read_invokeai(held: Mapping[str, Any]) -> Generation:
    """`invokeai_metadata` of version 3 to 6, and `sd-metadata` of version 2."""
    left = dict(held)
    inner = left.pop("image", None)
    if isinstance(inner, dict):
        left.update(inner)
    made = Generation("InvokeAI")
    prompt = left.pop("prompt", None)
    if isinstance(prompt, list) and prompt and isinstance(prompt[0], dict):
        prompt = prompt[0].get("prompt")
    made.positive = _text(left, "positive_prompt") or (prompt if isinstance(prompt, str) else "")
    made.negative = _text(left, "negative_prompt")
    made.seed, made.steps, made.guidance = _whole(left, "seed"), _whole(left, "steps"), _number(left, "cfg_scale")
    made.width, made.height = _whole(left, "width"), _whole(left, "height")
    name = _text(left, "scheduler") or _text(left, "sampler")
    made.schedule = "karras" if name.endswith("_k") else ""
    made.sampler = _sampler(name.removesuffix("_k"))
    model = left.pop("model", None)
    if isinstance(model, dict):
        made.model = str(model.get("name") or model.get("model_name") or "")
    elif isinstance(model, str):
        made.model = model
    made.denoise = _number(left, "strength")
    made.clip_skip = None if (skip := _whole(left, "clip_skip")) is None else skip + 1
    made.other = left
    return made


def read_settings(key: str, held: Mapping[str, Any], texts: Mapping[str, str]) -> Generation | None:
    """What JSON under a key of a picture says, where one of these programs wrote it."""
    if "sui_image_params" in held:
        return read_swarmui(held)
    if key in ("invokeai_metadata", "sd-metadata"):
        return read_invokeai(held)
    if key == "parameters" and ("base_model" in held or "fooocus_scheme" in texts or "metadata_scheme" in held):
        return read_fooocus(held)
    if key == "Comment" and ("uc" in held or "NovelAI" in texts.get("Software", "")):
        return read_novelai(held, texts.get("Description", ""))
    if isinstance(held.get("parameters"), str):
        return read_parameters(held["parameters"])
    return None


def _text(left: dict[str, Any], key: str) -> str:
    value = left.get(key)
    return str(left.pop(key)) if isinstance(value, str) else ""


def _whole(left: dict[str, Any], key: str) -> int | None:
    value = left.get(key)
    if isinstance(value, str) and value.strip().isdecimal() and len(value) < 21:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    left.pop(key)
    return value


def _number(left: dict[str, Any], key: str) -> float | None:
    value = left.get(key)
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e6:
        return None
    left.pop(key)
    return value


def _sampler(name: str) -> str:
    return _SAMPLERS.get(name, name)


def _model(name: str) -> str:
    return next((name.removesuffix(one) for one in _MODEL_ENDINGS if name.endswith(one)), name)
