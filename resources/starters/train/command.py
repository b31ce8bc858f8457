"""The command line: which starter to train, for how long, where."""

import argparse
import functools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from train import (
    controlnet,
    export,
    flow,
    latents,
    lcm,
    lora,
    preview,
    sound,
    sound_text,
    text,
    unet,
    upscale,
    vae,
    vocoder,
)
from train.loop import SHIPPED, Place, Stopped, spread
from train.styles import STYLES
from train.words import load_tokenizer


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of a training: its share of the minutes, and what it does in each of `place.world` processes.

    A stage with share 0 ends by itself. `spreads` is False where one process is enough.
    """

    share: float
    work: Callable[[float, bool, Place], None]
    spreads: bool = True


def _vae(minutes: float, resume: bool, place: Place) -> None:
    vae.train(minutes, resume, place)


def _latents(minutes: float, resume: bool, place: Place) -> None:
    if not (resume and (place.folder / "latents.pt").exists()):
        tokenizer = load_tokenizer(place.folder / "tokenizer")
        latents.encode(latents.load_trained_vae(place.folder), tokenizer, latents.COUNT, place)


def _collect(minutes: float, resume: bool, place: Place) -> None:
    if not (resume and (place.folder / "latents.pt").exists()):
        latents.collect(place.folder)


def _export_picture(minutes: float, resume: bool, place: Place) -> None:
    export.export_picture(place.folder, place.folder.parents[1] / place.folder.name)


ENCODE = {"latents": Stage(0, latents.encode_base), "collect": Stage(0, latents.collect_base, spreads=False)}


def _whole(work: Callable[[float, bool, Place], None]) -> dict[str, Stage]:
    return {"train": Stage(1, work)}


STARTERS: Mapping[str, Mapping[str, Stage]] = {
    "picture": {
        "text": Stage(0.03, text.train, spreads=False),
        "vae": Stage(0.3, _vae),
        "latents": Stage(0, _latents),
        "collect": Stage(0, _collect, spreads=False),
        "unet": Stage(0.67, unet.train),
        "export": Stage(0, _export_picture, spreads=False),
    },
    **{f"controlnet-{kind}": _whole(functools.partial(controlnet.train, kind)) for kind in ("canny", "depth")},
    **{f"lora-{style}": _whole(functools.partial(lora.train, style)) for style in STYLES},
    "lcm": {**ENCODE, **_whole(lcm.train)},
    "flow": {**ENCODE, **_whole(flow.train)},
    "sound": {
        "text": Stage(0.03, sound_text.train, spreads=False),
        "vae": Stage(0.22, sound.train_vae),
        "vocoder": Stage(0.3, vocoder.train),
        "latents": Stage(0, sound.encode, spreads=False),
        "unet": Stage(0.45, sound.train_unet),
        "export": Stage(0, sound.export, spreads=False),
    },
    "preview": _whole(preview.train),
    "upscaler": _whole(upscale.train),
}


def train(
    name: str,
    minutes: float,
    out: Path,
    device: str = "cpu",
    processes: int = 1,
    resume: bool = False,
    only: str | None = None,
    base: Path = SHIPPED,
) -> None:
    """Train a starter: checkpoints and sample sheets in `<out>/checkpoints/<name>`, the model in `<out>/<name>`.

    `minutes` is shared among its stages, unless `only` names one. Add-ons are made for the picture starter in `base`.
    Raises Stopped where it was asked to end; with `resume` it goes on from there.
    """
    os.environ["HF_HUB_OFFLINE"] = "1"
    folder = out / "checkpoints" / name
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1 if processes > 1 else max(1, (os.cpu_count() or 2) // 2))
    for stage_name, stage in STARTERS[name].items():
        if only in (None, stage_name):
            share = minutes * (stage.share if only is None else 1)
            place = Place(folder, torch.device(device), world=processes if stage.spreads else 1, base=base)
            spread(functools.partial(stage.work, share, resume), place)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="train", description=__doc__)
    parser.add_argument("name", choices=list(STARTERS))
    parser.add_argument("--minutes", type=float, default=120.0, help="of running time, over all resumed parts")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, required=True, help="gets checkpoints/NAME and the finished NAME")
    parser.add_argument("--processes", type=int, default=1, help="that train together, one core each")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoints in --out")
    parser.add_argument("--base", type=Path, default=SHIPPED, help="the picture starter that an add-on is made for")
    parser.add_argument("--only", help="one stage: " + ", ".join(s for stages in STARTERS.values() for s in stages))
    chosen = parser.parse_args(arguments)
    if chosen.only not in (None, *STARTERS[chosen.name]):
        parser.error(f"{chosen.name} has no stage {chosen.only}")
    try:
        train(**vars(chosen))
    except Stopped:
        return 130
    return 0
