"""How well the starter models do what they are asked, judged beside true renders of the same captions.

python tests/benchmarks/starter_quality.py [--model NAME] [--count N] [--seed S] [--folder resources/starters]

Prints one JSON line. Prompts are new ones from the captions' grammar; the shapes' `held_out` figure is of colours that no
training picture gave them. Shares are of `count` prompts a kind. Everything runs in float32, as on a user's CPU.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "resources" / "starters"))

Pixels = NDArray[np.uint8]
Figures = dict[str, float]

STEPS = 20
GUIDANCE = 3.0
CHUNK = 20


def load(folder: Path):  # noqa: ANN201 - a StableDiffusionPipeline, imported only where it is needed
    import torch
    from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    pipeline.scheduler = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def pictures(pipeline, captions: list[str], seed: int, **more: object) -> Pixels:  # noqa: ANN001
    import torch

    made = []
    for first in range(0, len(captions), CHUNK):
        said = captions[first : first + CHUNK]
        each = [torch.Generator().manual_seed(seed + first + i) for i in range(len(said))]
        settings = {"num_inference_steps": STEPS, "guidance_scale": GUIDANCE} | more
        made.append(pipeline(said, generator=each, output_type="np", **settings).images)
    return (np.concatenate(made) * 255).round().astype(np.uint8)


def asked(count: int, seed: int) -> dict[str, list]:
    """Prompts of each kind, as drawn pictures; `held_out` are single shapes in colours never learnt."""
    from train.pictures import draw, held_out
    from train.shapes import HELD_OUT

    rng = random.Random(f"quality {seed}")
    prompts: dict[str, list] = {}
    for kind in ("one", "two", "scene"):
        drawn = (draw(rng, kind, plain=1.0) for _ in iter(int, 1))
        prompts[kind] = [p for p in (next(drawn) for _ in range(2 * count)) if not held_out(p.attributes)][:count]
    pairs = sorted(HELD_OUT)
    fixed = [dict(zip(("shape", "colour"), pairs[i % len(pairs)], strict=True)) for i in range(max(6, count // 4))]
    prompts["held_out"] = [draw(rng, "one", f, plain=1.0) for f in fixed]
    return prompts


def shares(prompts: dict[str, list], make: Callable[[list[str]], Pixels]) -> Figures:
    """The judge's figures over what `make` makes of the prompts."""
    from train.judge import tally

    figures: Figures = {}
    for kind, drawn in prompts.items():
        found = tally(make([p.caption for p in drawn]), [p.attributes for p in drawn])
        if kind == "one":
            figures |= {k: found[f"one.{k}"] for k in ("shape", "colour", "background", "position", "size")}
        elif kind == "two":
            figures["two_objects"] = found["two.all"]
        elif kind == "scene":
            figures |= {f"scene_{k}": found[f"scene.{k}"] for k in ("subject", "colour", "time", "ground", "all")}
        else:
            figures |= {f"held_out_{k}": found[f"one.{k}"] for k in ("shape", "colour")}
    return figures


def judge_figures(prompts: dict[str, list]) -> Figures:
    """What the judge makes of the true renders: its own accuracy."""
    truth = {p.caption: p.pixels for drawn in prompts.values() for p in drawn}
    return shares(prompts, lambda captions: np.stack([truth[c] for c in captions]))


def speed(folder: Path) -> Figures:
    """Seconds to load, seconds for one picture of 20 steps once loaded, and peak memory, in a process of its own."""
    command = [sys.executable, __file__, "--speed", str(folder)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def measure_speed(folder: Path) -> Figures:
    import torch
    from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline  # noqa: F401 - not part of the loading
    from transformers import CLIPTextModel, CLIPTokenizer  # noqa: F401

    torch.set_num_threads(2)
    began = time.perf_counter()
    pipeline = load(folder)
    loaded = time.perf_counter()
    pictures(pipeline, ["a red circle on a blue background"], seed=0)
    times = []
    for seed in range(3):
        started = time.perf_counter()
        pictures(pipeline, ["a red house under a night sky"], seed=seed)
        times.append(time.perf_counter() - started)
    return {"load_s": loaded - began, "seconds": sorted(times)[1], "peak_mb": peak_megabytes()}


def peak_megabytes() -> float:
    """The most memory that this process ever held. Linux's ru_maxrss would count that of the process that started it."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def picture(folder: Path, count: int, seed: int) -> Figures:
    from train import vae

    pipeline = load(folder / "picture")
    figures = shares(asked(count, seed), lambda captions: pictures(pipeline, captions, seed))
    figures["vae_psnr"] = vae.psnr(pipeline.vae, vae.held_out_pictures(200, seed=seed + 999))
    return figures | speed(folder / "picture")


def lcm(folder: Path, count: int, seed: int) -> Figures:
    """Four steps without guidance, with the LoRA that consistency distillation made; two figures without it beside."""
    from diffusers import LCMScheduler

    pipeline = load(folder / "picture")
    pipeline.scheduler = LCMScheduler.from_config(pipeline.scheduler.config)
    few = {"num_inference_steps": 4, "guidance_scale": 1.0}
    prompts = asked(count, seed)

    def four_steps(captions: list[str]) -> Pixels:
        return pictures(pipeline, captions, seed, **few)

    without = shares({kind: prompts[kind] for kind in ("one", "two")}, four_steps)
    pipeline.load_lora_weights(folder / "lcm", weight_name="lcm.safetensors")
    return shares(prompts, four_steps) | {f"{k}_without": without[k] for k in ("shape", "two_objects")}


def lora(folder: Path, count: int, seed: int) -> Figures:
    """How many pictures are in the style that was asked for, in none without it; and whether strength 0 is the base."""
    from train.lora import with_style
    from train.styles import STYLES, tell_style

    captions = [p.caption for kind, drawn in asked(count // 2, seed).items() if kind in ("one", "scene") for p in drawn]
    pipeline = load(folder / "picture")
    plain = pictures(pipeline, captions, seed)
    base = pictures(pipeline, captions[:4], seed)  # by itself: another batch size would change the last bits
    figures: Figures = {"style_without": float(np.mean([tell_style(p) is not None for p in plain]))}
    for style in STYLES:
        pipeline.load_lora_weights(folder / f"lora-{style}", weight_name=f"{style}.safetensors", adapter_name=style)
        pipeline.set_adapters(style, 1.0)
        made = pictures(pipeline, [with_style(style, c) for c in captions], seed)
        figures[style] = float(np.mean([tell_style(p) == style for p in made]))
        pipeline.set_adapters(style, 0.0)
        figures[f"{style}_at_0_is_base"] = float(np.array_equal(pictures(pipeline, captions[:4], seed), base))
        pipeline.delete_adapters(style)
    return figures | {"style": min(figures[s] for s in STYLES)}


def controlnet(folder: Path, count: int, seed: int) -> Figures:
    """Edges of single shapes anywhere and of any size; the prompt names the shape and other colours, not its place."""
    import torch
    from diffusers import ControlNetModel, DPMSolverMultistepScheduler, StableDiffusionControlNetPipeline
    from train.controlnet import as_hint, edge_f1, other_colours
    from train.styles import edges
    from train.vae import reconstruct

    base = load(folder / "picture")
    net = ControlNetModel.from_pretrained(folder / "controlnet-canny", dtype=torch.float32)
    parts = {k: v for k, v in base.components.items() if k != "scheduler"}
    scheduler = DPMSolverMultistepScheduler.from_config(base.scheduler.config)
    pipeline = StableDiffusionControlNetPipeline(
        **parts, scheduler=scheduler, controlnet=net, requires_safety_checker=False
    )
    pipeline.set_progress_bar_config(disable=True)
    drawn, prompts = other_colours(random.Random(f"control {seed}"), count)
    wanted = [edges(p.pixels) for p in drawn]
    hints = as_hint(torch.from_numpy(np.stack(wanted)))

    def agreement(scale: float) -> float:
        made = []
        for first in range(0, count, CHUNK):
            part = slice(first, first + CHUNK)
            each = [torch.Generator().manual_seed(seed + i) for i in range(first, first + len(prompts[part]))]
            settings = {"num_inference_steps": STEPS, "guidance_scale": GUIDANCE, "output_type": "np"}
            strength = {"controlnet_conditioning_scale": scale}
            made.append(pipeline(prompts[part], image=hints[part], generator=each, **settings, **strength).images)
        pixels = (np.concatenate(made) * 255).round().astype(np.uint8)
        return float(np.mean([edge_f1(edges(m), w) for m, w in zip(pixels, wanted, strict=True)]))

    from train.pictures import to_pixels, to_tensor

    through = to_pixels(reconstruct(base.vae, to_tensor(np.stack([p.pixels for p in drawn]))))
    ceiling = float(np.mean([edge_f1(edges(m), w) for m, w in zip(through, wanted, strict=True)]))
    return {"edge_f1": agreement(1.0), "edge_f1_without": agreement(0.0), "edge_f1_autoencoder": ceiling}


def flow(folder: Path, count: int, seed: int) -> Figures:
    """The flow-matching transformer with the picture starter's text encoder and autoencoder, 20 Euler steps."""
    import torch
    from diffusers import SD3Transformer2DModel
    from train.base import load_base
    from train.flow import sample_flow

    transformer = SD3Transformer2DModel.from_pretrained(folder / "flow" / "transformer", dtype=torch.float32)
    parts = load_base(folder / "picture", torch.device("cpu"))
    return shares(asked(count, seed), lambda captions: sample_flow(parts, transformer.eval(), captions, seed))


def upscaler(folder: Path, count: int, seed: int) -> Figures:
    """PSNR in dB of 256x256 pictures made of small ones that went through the autoencoder, and of true ones, beside bicubic."""
    import torch
    from spandrel import ModelLoader
    from torch.nn.functional import interpolate
    from train.base import load_base
    from train.upscale import pairs, psnr

    model = ModelLoader().load_from_file(folder / "upscaler" / "model.safetensors").model.float()
    vae = load_base(folder / "picture", torch.device("cpu")).vae
    small, large = pairs(vae, random.Random(f"upscaler {seed}"), min(count, 60), torch.device("cpu"))
    with torch.no_grad():
        made = {"psnr": model(small), "psnr_bicubic": interpolate(small, scale_factor=2.0, mode="bicubic")}
    through = 2 * len(small) // 3
    return {name: psnr(larger[:through], large[:through]) for name, larger in made.items()} | {
        f"{name}_of_renders": psnr(larger[through:], large[through:]) for name, larger in made.items()
    }


def preview(folder: Path, count: int, seed: int) -> Figures:
    """PSNR in dB of the tiny decoder, and its seconds for one picture beside the autoencoder's."""
    import torch
    from diffusers import AutoencoderTiny
    from train.base import load_base
    from train.vae import held_out_pictures

    tiny = AutoencoderTiny.from_pretrained(folder / "preview", dtype=torch.float32).eval()
    vae = load_base(folder / "picture", torch.device("cpu")).vae
    images = held_out_pictures(min(count, 100), seed=seed + 999)
    with torch.no_grad():
        latents = vae.encode(images).latent_dist.mode()
        shown = tiny.decode(latents).sample.clamp(-1, 1)
        seconds = {}
        for name, model in (("seconds", tiny), ("seconds_vae", vae)):
            times = []
            for i in range(9):
                began = time.perf_counter()
                model.decode(latents[i : i + 1])
                times.append(time.perf_counter() - began)
            seconds[name] = sorted(times)[len(times) // 2]
    error = ((shown - images) ** 2).mean((1, 2, 3)) / 4
    return {"psnr": float((-10 * torch.log10(error)).mean()), **seconds}


MODELS: dict[str, Callable[[Path, int, int], Figures]] = {
    "picture": picture,
    "lcm": lcm,
    "flow": flow,
    "controlnet": controlnet,
    "lora": lora,
    "upscaler": upscaler,
    "preview": preview,
}
FOLDERS = {"controlnet": "controlnet-canny", "lora": "lora-blueprint"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=list(MODELS))
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=ROOT / "resources" / "starters")
    parser.add_argument("--speed", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.speed:
        print(json.dumps(measure_speed(chosen.speed)))
        return
    result: dict[str, object] = {"count": chosen.count, "seed": chosen.seed}
    result["judge"] = judge_figures(asked(chosen.count, chosen.seed))
    for name, measure in MODELS.items():
        shipped = (chosen.folder / FOLDERS.get(name, name)).exists()
        if chosen.model == name or (chosen.model is None and shipped):
            result[name] = measure(chosen.folder, chosen.count, chosen.seed)
    rounded = {k: {n: round(v, 3) for n, v in f.items()} if isinstance(f, dict) else f for k, f in result.items()}
    print(json.dumps(rounded))


if __name__ == "__main__":
    main()
