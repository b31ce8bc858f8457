"""The text that AUTOMATIC1111's web interface and Forge write into pictures (`parameters`), read and written.

The prompt comes first, then a line that begins with `Negative prompt:`, then settings as `Name: value` pairs in one line. Values that
hold a comma, a colon or a line break stand in quotes, as in JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final

from studio.files.generation import Generation

_NEGATIVE: Final = "Negative prompt:"
_PAIR: Final = re.compile(r'\s*(\w[\w \-/]{0,99}):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
_LEAST_PAIRS: Final = 3
_SIZE: Final = re.compile(r"(\d{1,5})\s*x\s*(\d{1,5})")
_LONGEST: Final = 2**20
_SAMPLERS: Final = {
    "euler": "euler", "euler a": "euler_ancestral", "lms": "lms", "heun": "heun", "dpm2": "dpm_2", "dpm2 a": "dpm_2_ancestral",
    "dpm++ 2s a": "dpmpp_2s_ancestral", "dpm++ 2m": "dpmpp_2m", "dpm++ sde": "dpmpp_sde", "dpm++ 2m sde": "dpmpp_2m_sde",
    "dpm++ 3m sde": "dpmpp_3m_sde", "dpm fast": "dpm_fast", "dpm adaptive": "dpm_adaptive", "ddim": "ddim", "plms": "plms",
    "unipc": "uni_pc", "lcm": "lcm", "ddpm": "ddpm", "deis": "deis", "ipndm": "ipndm", "restart": "euler", "res multistep": "res_multistep",
}  # fmt: skip
_SCHEDULES: Final = {
    "karras": "karras", "exponential": "exponential", "polyexponential": "exponential", "sgm uniform": "sgm_uniform", "uniform": "normal",
    "simple": "simple", "normal": "normal", "ddim": "ddim_uniform", "ddim uniform": "ddim_uniform",
    "beta": "beta", "kl optimal": "kl_optimal",
    "align your steps": "align_your_steps",
}  # fmt: skip
_OUR_SAMPLERS: Final = {ours: theirs for theirs, ours in reversed(_SAMPLERS.items())}
_KARRAS_BY_ITSELF: Final = ("dpm++ 2m", "dpm++ sde", "dpm++ 2m sde", "dpm++ 3m sde")
"""Samplers for which the schedule `Automatic` means karras."""
_TITLES: Final = {
    "euler": "Euler", "euler_ancestral": "Euler a", "lms": "LMS", "heun": "Heun", "dpm_2": "DPM2", "dpm_2_ancestral": "DPM2 a",
    "dpmpp_2s_ancestral": "DPM++ 2S a", "dpmpp_2m": "DPM++ 2M", "dpmpp_sde": "DPM++ SDE", "dpmpp_2m_sde": "DPM++ 2M SDE",
    "dpmpp_3m_sde": "DPM++ 3M SDE", "dpm_fast": "DPM fast", "dpm_adaptive": "DPM adaptive", "ddim": "DDIM", "plms": "PLMS",
    "uni_pc": "UniPC", "lcm": "LCM", "ddpm": "DDPM",
}  # fmt: skip


def is_parameters(text: str) -> bool:
    """Whether a text is such a list of settings."""
    return len(text) <= _LONGEST and _settings_at(text) is not None


def read_parameters(text: str) -> Generation:
    """What a text says. Never fails: what cannot be read is kept among `other`."""
    lines, found = _settings_at(text[:_LONGEST]) or (text.splitlines(), {})
    made = Generation("AUTOMATIC1111")
    positive: list[str] = []
    negative: list[str] | None = None
    for line in lines:
        if negative is None and line.strip().startswith(_NEGATIVE):
            negative = [line.strip()[len(_NEGATIVE) :].lstrip()]
        else:
            (positive if negative is None else negative).append(line)
    made.positive, made.negative = "\n".join(positive).strip(), "\n".join(negative or []).strip()
    for name, value in found.items():
        _take(made, name, value)
    _name_sampler(made)
    if "<lora:" in made.positive:
        made.notes.append("The prompt names LoRAs as <lora:name:weight>; they are kept as words.")
    return made


def write_parameters(made: Generation) -> str:
    """The text for a picture, as other galleries read it."""
    pairs = {
        "Steps": made.steps,
        "Sampler": _TITLES.get(made.sampler, made.sampler) or None,
        "Schedule type": made.schedule.replace("_", " ").title() or None,
        "CFG scale": made.guidance,
        "Seed": made.seed,
        "Size": f"{made.width}x{made.height}" if made.width and made.height else None,
        "Model": made.model or None,
        "Denoising strength": made.denoise if made.denoise not in (None, 1, 1.0) else None,
        "Clip skip": made.clip_skip if made.clip_skip and made.clip_skip > 1 else None,
        "Version": made.program,
    }
    settings = ", ".join(f"{name}: {_quoted(value)}" for name, value in pairs.items() if value is not None)
    negative = f"{_NEGATIVE} {made.negative}\n" if made.negative else ""
    return f"{made.positive}\n{negative}{settings}"


def _settings_at(text: str) -> tuple[list[str], dict[str, str]] | None:
    """The lines before the settings, and these; extensions write lines of their own behind them. None where there are none."""
    lines = text.strip().splitlines()
    for at in range(len(lines) - 1, max(len(lines) - 200, -1), -1):
        if at == len(lines) - 1 or lines[at].startswith("Steps: "):
            pairs = _PAIR.findall(lines[at])
            if len(pairs) >= _LEAST_PAIRS:
                rest = lines[at + 1 :]
                found = {name.strip(): _unquoted(value.strip()) for name, value in pairs}
                return lines[:at], found if not rest else {**found, "Further lines": "\n".join(rest)}
    return None


def _take(made: Generation, name: str, value: str) -> None:
    read = _FIELDS.get(name)
    if read is None:
        made.other[name] = value
        return
    field, convert = read
    try:
        setattr(made, field, convert(value))
    except ValueError:
        made.other[name] = value


def _size(made: Generation, value: str) -> bool:
    found = _SIZE.fullmatch(value.strip())
    if found is None:
        return False
    made.width, made.height = int(found[1]), int(found[2])
    return True


def _name_sampler(made: Generation) -> None:
    """Before version 1.9 the schedule stood behind the sampler's name: `DPM++ 2M Karras`."""
    size = made.other.pop("Size", None)
    if isinstance(size, str) and not _size(made, size):
        made.other["Size"] = size
    name = made.sampler.strip().casefold().replace("_", " ")
    if not name:
        return
    for ending, schedule in _SCHEDULES.items():
        if name.endswith(f" {ending}") and not made.schedule:
            name, made.schedule = name.removesuffix(f" {ending}"), schedule
    named = made.schedule.casefold().replace("_", " ")
    if named in ("automatic", ""):
        made.schedule = "karras" if named and name in _KARRAS_BY_ITSELF else "normal"
    else:
        made.schedule = _SCHEDULES.get(named, made.schedule)
    same = name.replace(" ", "_")
    chosen = same if same in _OUR_SAMPLERS else _SAMPLERS.get(name.removesuffix(" heun"))
    if chosen is None:
        made.notes.append(f"The sampler '{made.sampler}' has no counterpart of this name.")
    else:
        made.sampler = chosen


def _quoted(value: object) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if any(letter in text for letter in ",:\n") else text


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] == '"':
        try:
            held: Any = json.loads(value)
        except ValueError:
            return value
        return held if isinstance(held, str) else value
    return value


def _whole(value: str) -> int:
    if len(value) > 20:
        raise ValueError(value)
    return int(value)


_FIELDS: Final[dict[str, tuple[str, Callable[[str], object]]]] = {
    "Steps": ("steps", _whole),
    "Sampler": ("sampler", str),
    "Schedule type": ("schedule", str),
    "CFG scale": ("guidance", float),
    "Seed": ("seed", _whole),
    "Model": ("model", str),
    "Denoising strength": ("denoise", float),
    "Clip skip": ("clip_skip", _whole),
}
