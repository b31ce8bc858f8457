"""Our denoising loop, with a preview of every step, beside the plain diffusers pipeline.

python tests/benchmarks/sampling.py [--folder FOLDER] [--pairs1 N] [--pairs8 N] [--edge PIXELS]

A model of Stable Diffusion 1.5's shape with random float32 weights is written to FOLDER (4.3 GB; a temporary one, if none is given; an
existing one is used as it is). Time: both sample with Euler, guidance and the very same network on one thread, a step of theirs, a step
of ours, in turns; a ratio is the median over such pairs of process CPU time. The first pair, which holds their text encoding, is left out.
Memory: each loads the folder, samples two steps and decodes in a process of its own; its peak (VmHWM) counts.

Prints one JSON line with `ratio_batch1, ratio_batch8, peak_memory_ratio` and what they are made of.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

PROMPT, NEGATIVE = "a harbour at dawn", "fog"


def write_model(folder: Path) -> None:
    """Random weights in the shape of Stable Diffusion 1.5, as diffusers saves it."""
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    configs = ROOT / "resources" / "families" / "sd1"
    torch.manual_seed(0)
    text = CLIPTextConfig.from_pretrained(str(configs / "text_encoder"))
    symbols = [chr(code) for code in (*range(33, 127), *range(161, 173), *range(174, 256), *range(256, 324))]
    tokens = [*symbols, *(f"{symbol}</w>" for symbol in symbols)]
    tokens += [f"filler{place}" for place in range(text.vocab_size - 2 - len(tokens))]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: place for place, token in enumerate(tokens)}
    StableDiffusionPipeline(
        unet=UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(str(configs / "unet"))),
        vae=AutoencoderKL.from_config(AutoencoderKL.load_config(str(configs / "vae"))),
        text_encoder=CLIPTextModel(text),
        tokenizer=CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=77),
        scheduler=DDIMScheduler.from_config(DDIMScheduler.load_config(str(configs / "scheduler"))),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)


def ours(folder: Path) -> Any:  # noqa: ANN401 - a Checkpoint, imported only where it is needed
    import torch

    from studio.diffusion.device import Dtypes
    from studio.diffusion.weights.checkpoint import load_checkpoint

    return load_checkpoint(folder, Dtypes.all(torch.float32))


def our_steps(checkpoint: Any, batch: int, steps: int, edge: int) -> Any:  # noqa: ANN401
    """The states of a run with their previews; nothing is computed before the first is asked for but the text."""
    import torch

    from studio.diffusion.preview import with_previews
    from studio.diffusion.sampling import sample
    from studio.diffusion.schedules import sigmas

    model, encoder = checkpoint.model, checkpoint.text_encoder
    positive, negative = (model.family.encode(encoder, [text]).conditioned for text in (PROMPT, NEGATIVE))
    empty = torch.zeros(model.latents.shape(edge, edge, batch))
    levels = sigmas("trailing", model.noise, steps)
    return with_previews(sample(model, positive, negative, empty, levels, sampler="euler"), model.projection())


def ratio(checkpoint: Any, batch: int, pairs: int, edge: int) -> dict[str, float]:  # noqa: ANN401
    """A step of theirs, a step of ours, in turns."""
    import torch
    from diffusers import EulerDiscreteScheduler, StableDiffusionPipeline

    pipeline = StableDiffusionPipeline(
        unet=checkpoint.model.network,
        vae=checkpoint.vae.network,
        text_encoder=checkpoint.text_encoder.encoders[0],
        tokenizer=checkpoint.text_encoder.tokenizers[0],
        scheduler=EulerDiscreteScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            timestep_spacing="trailing",
            steps_offset=1,
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    steps = our_steps(checkpoint, batch, pairs + 1, edge)
    their_times: list[float] = []
    our_times: list[float] = []
    began = time.process_time()

    def turn(pipe: Any, index: int, at: Any, values: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401
        nonlocal began
        their_times.append(time.process_time() - began)
        begin = time.process_time()
        _, shown = next(steps)
        our_times.append(time.process_time() - begin)
        assert shown is not None
        assert torch.isfinite(values["latents"]).all()
        began = time.process_time()
        return values

    pipeline(
        [PROMPT] * batch,
        negative_prompt=[NEGATIVE] * batch,
        height=edge,
        width=edge,
        num_inference_steps=pairs + 1,
        guidance_scale=7.0,
        output_type="latent",
        callback_on_step_end=turn,
        generator=[torch.Generator().manual_seed(item) for item in range(batch)],
    )
    return {
        "ratio": statistics.median(own / other for own, other in zip(our_times[1:], their_times[1:], strict=True)),
        "our_step_s": statistics.median(our_times[1:]),
        "diffusers_step_s": statistics.median(their_times[1:]),
    }


def measure_time(folder: Path, pairs1: int, pairs8: int, edge: int) -> dict[str, dict[str, float]]:
    import torch

    torch.set_num_threads(1)
    checkpoint = ours(folder)
    checkpoint.model.projection()
    return {"batch1": ratio(checkpoint, 1, pairs1, edge), "batch8": ratio(checkpoint, 8, pairs8, edge)}


def measure_memory(folder: Path, side: str, edge: int) -> dict[str, float]:
    """Peak of this process, which does nothing else."""
    import torch

    torch.set_num_threads(1)
    if side == "ours":
        from studio.diffusion.decode import decode

        checkpoint = ours(folder)
        for state, _ in our_steps(checkpoint, 1, 2, edge):
            last = state
        decode(checkpoint.vae, last.latent)
    else:
        from diffusers import StableDiffusionPipeline

        pipeline = StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
        pipeline.set_progress_bar_config(disable=True)
        pipeline(PROMPT, negative_prompt=NEGATIVE, height=edge, width=edge, num_inference_steps=2)
    return {"peak_mb": peak() / 2**20}


def peak() -> int:
    """Bytes this process held at most."""
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def in_process(job: str, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """A job of this script in a process of its own."""
    sizes = ["--pairs1", str(options.pairs1), "--pairs8", str(options.pairs8), "--edge", str(options.edge)]
    done = subprocess.run(
        [sys.executable, __file__, "--job", job, "--folder", str(folder), *sizes],
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--pairs1", type=int, default=9)
    parser.add_argument("--pairs8", type=int, default=5)
    parser.add_argument("--edge", type=int, default=256)
    parser.add_argument("--job", choices=["write", "time", "ours", "diffusers"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job == "write":
        write_model(options.folder)
        print(json.dumps({}))
    elif options.job == "time":
        print(json.dumps(measure_time(options.folder, options.pairs1, options.pairs8, options.edge)))
    elif options.job:
        print(json.dumps(measure_memory(options.folder, options.job, options.edge)))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            folder = options.folder or Path(temporary) / "model"
            if not (folder / "model_index.json").is_file():
                in_process("write", folder, options)
            memory = {side: in_process(side, folder, options)["peak_mb"] for side in ("diffusers", "ours")}
            times = in_process("time", folder, options)
            print(
                json.dumps(
                    {
                        "ratio_batch1": round(times["batch1"]["ratio"], 4),
                        "ratio_batch8": round(times["batch8"]["ratio"], 4),
                        "peak_memory_ratio": round(memory["ours"] / memory["diffusers"], 4),
                        "details": {"times": times, "peak_mb": memory, "edge": options.edge},
                    }
                )
            )


if __name__ == "__main__":
    main()
