"""Whether every sampler draws what it is asked for: the picture starter through our loop, judged beside the prompts.

python -m tests.benchmarks.samplers [--count N] [--steps N] [--schedule NAME] [--guidance G] [--seed S]
                                    [--samplers NAME ...] [--guidances G ...]

Prints one JSON line. `accepted` is, for each sampler, the share of `count` pictures (a third single shapes, a third pairs, a third
scenes; new prompts from the captions' grammar) in which the judge finds every attribute that the prompt names; `judge` is that share of
the true renders of the same prompts. `by_guidance` is the share for one sampler at several guidances.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "resources" / "starters"))

from studio.diffusion.decode import decode  # noqa: E402
from studio.diffusion.device import Dtypes  # noqa: E402
from studio.diffusion.model import Checkpoint  # noqa: E402
from studio.diffusion.samplers import SAMPLERS  # noqa: E402
from studio.diffusion.sampling import sample  # noqa: E402
from studio.diffusion.schedules import sigmas  # noqa: E402
from studio.diffusion.weights.checkpoint import load_checkpoint  # noqa: E402
from tests.benchmarks.starter_quality import asked  # noqa: E402

CHUNK = 10
FLOAT32 = Dtypes.all(torch.float32)


def pictures(
    checkpoint: Checkpoint, captions: list[str], sampler: str, schedule: str, steps: int, guidance: float, seed: int
) -> NDArray[np.uint8]:
    """(captions, height, width, 3): picture i has the seed `seed` + i."""
    model, encoder, vae = checkpoint.model, checkpoint.text_encoder, checkpoint.vae
    assert encoder is not None
    assert vae is not None
    levels = sigmas(schedule, model.noise, steps)
    empty = torch.zeros(model.latents.shape(*model.size))
    unwanted = model.family.encode(encoder, [""]).conditioned
    chunk = 1 if SAMPLERS[sampler].adaptive else CHUNK
    made = []
    for first in range(0, len(captions), chunk):
        wanted = model.family.encode(encoder, captions[first : first + chunk]).conditioned
        states = sample(model, wanted, unwanted, empty, levels, sampler=sampler, guidance=guidance, seed=seed + first)
        *_, last = states
        made.append(decode(vae, last.latent).numpy())
    return (np.concatenate(made) * 255).round().astype(np.uint8)


def accepted(made: NDArray[np.uint8], said: list) -> float:
    """The share of pictures in which everything is as said."""
    from train.judge import judge

    return float(np.mean([all(judge(one, what).values()) for one, what in zip(made, said, strict=True)]))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--schedule", default="karras")
    parser.add_argument("--guidance", type=float, default=3.0)
    parser.add_argument("--samplers", nargs="*", default=list(SAMPLERS))
    parser.add_argument("--guidances", nargs="*", type=float, default=[1.0, 1.5, 2.0, 3.0, 5.0])
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    checkpoint = load_checkpoint(ROOT / "resources" / "starters" / "picture", FLOAT32)
    kinds = asked(max(options.count // 3, 1), options.seed)
    drawn = [one for kind in ("one", "two", "scene") for one in kinds[kind]]
    captions, said = [one.caption for one in drawn], [one.attributes for one in drawn]

    def share(sampler: str, guidance: float) -> float:
        settings = (options.schedule, options.steps, guidance, options.seed)
        return round(accepted(pictures(checkpoint, captions, sampler, *settings), said), 3)

    found = {}
    for name in options.samplers:
        found[name] = share(name, options.guidance)
        print(f"{name}: {found[name]}", file=sys.stderr, flush=True)
    figures = {
        "accepted": found,
        "lowest": min(found.values(), default=None),
        "judge": round(accepted(np.stack([one.pixels for one in drawn]), said), 3),
        "by_guidance": {f"{guidance:g}": share("dpmpp_2m", guidance) for guidance in options.guidances},
        "count": len(drawn),
        "steps": options.steps,
        "schedule": options.schedule,
        "guidance": options.guidance,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
