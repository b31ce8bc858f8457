"""The training loop that every stage shares: a time budget, averaging over processes, checkpoints to resume from."""

import copy
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Any

import torch
import torch.distributed
import torch.multiprocessing
from torch import Tensor, nn

SHIPPED = Path(__file__).resolve().parents[1] / "picture"

SAVE_EVERY = 120.0  # seconds between checkpoints
REPORT_EVERY = 30.0
LONGEST_STEP = 20.0  # seconds; a longer pause (a stopped process, a sleeping machine) is not training time


@dataclass
class Task:
    """What one stage trains, and how.

    `loss(step)` draws a batch and gives a scalar. The model with averaged weights (decay `ema`) is what the stage yields;
    `score` measures it. The learning rate rises over `warmup` steps, stays at `rate` for the share `flat` of the time and
    falls linearly to a hundredth of it. `factors` scales it for parameters whose name starts with the key.
    """

    name: str
    model: nn.Module
    loss: Callable[[int], Tensor]
    batch: int
    rate: float
    score: Callable[[nn.Module], dict[str, float]] | None = None
    score_every: float = 180.0
    sheet: Callable[[nn.Module, Path], None] | None = None
    flat: float = 0.4
    warmup: int = 60
    ema: float = 0.998
    average_every: int = 6
    weight_decay: float = 0.0
    factors: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a training process works: its folder, device and rank among `world` processes.

    `base` is the finished picture starter that the add-ons are made for.
    """

    folder: Path
    device: torch.device
    rank: int = 0
    world: int = 1
    base: Path = SHIPPED


class Averaged:
    """A copy of a model whose weights follow the trained ones slowly."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).requires_grad_(False).eval()
        self.decay = decay

    def follow(self, model: nn.Module, step: int, steps: int) -> None:
        keep = min(self.decay, (step + 1) / (step + 20)) ** steps
        targets = [p for p in self.model.parameters() if p.is_floating_point()]
        sources = [p.detach() for p in model.parameters() if p.is_floating_point()]
        torch._foreach_lerp_(targets, sources, 1 - keep)


class StopRequest:
    """Turns SIGTERM and SIGINT into a wish to end after this step, so that a checkpoint is written first."""

    def __init__(self) -> None:
        self.wanted = False
        signal.signal(signal.SIGTERM, self._ask)
        signal.signal(signal.SIGINT, self._ask)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.wanted = True


class Stopped(Exception):
    """Training was asked to end before its time was up; the checkpoint is written."""


def average_weights(parameters: Iterable[nn.Parameter], world: int) -> None:
    """Make the parameters the mean over all processes (local SGD, Stich 2019)."""
    with torch.no_grad():
        held = [p.data for p in parameters]
        flat = torch.cat([p.reshape(-1) for p in held])
        torch.distributed.all_reduce(flat)
        flat /= world
        for target, mean in zip(held, flat.split([p.numel() for p in held]), strict=True):
            target.copy_(mean.view_as(target))


def agree(values: list[float], world: int) -> list[float]:
    """The greatest of each value over all processes."""
    if world == 1:
        return values
    shared = torch.tensor(values, dtype=torch.float64)
    torch.distributed.all_reduce(shared, op=torch.distributed.ReduceOp.MAX)
    return list(shared.tolist())


def autocast(device: torch.device) -> torch.autocast:
    """bfloat16 where the device computes it faster: 1.6 to 1.8 times on a CPU with AMX or AVX512-BF16."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type in ("cpu", "cuda"))


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    beside = path.with_suffix(".part")
    torch.save(state, beside)
    beside.replace(path)


def fit(task: Task, minutes: float, place: Place, resume: bool) -> nn.Module:
    """Train for `minutes` of this process's running time, counted over all resumed parts; give the averaged model.

    The checkpoint `<folder>/<name>.pt` is written every two minutes and at the end. With `resume` training goes on from
    it; a stage that had its minutes only loads. Raises Stopped on SIGTERM or SIGINT.
    """
    stop = StopRequest()
    path = place.folder / f"{task.name}.pt"
    model = task.model.to(place.device).train()
    averaged = Averaged(model, task.ema)
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            factor = next((f for start, f in task.factors.items() if name.startswith(start)), 1.0)
            groups.setdefault(factor, []).append(parameter)
    parameters = [p for group in groups.values() for p in group]
    optimizer = torch.optim.AdamW(
        [{"params": group, "factor": factor} for factor, group in groups.items()],
        lr=task.rate,
        betas=(0.9, 0.99),
        weight_decay=task.weight_decay,
        fused=True,
    )
    step, elapsed = 0, 0.0
    if resume and path.exists():
        state = torch.load(path, map_location=place.device, weights_only=True)
        model.load_state_dict(state["model"])
        averaged.model.load_state_dict(state["averaged"])
        optimizer.load_state_dict(state["optimizer"])
        step, elapsed = state["step"], state["elapsed"]
    torch.manual_seed(1000 * step + place.rank)

    def save() -> None:
        if place.rank == 0:
            state = {
                "model": model.state_dict(),
                "averaged": averaged.model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "step": step,
                "elapsed": elapsed,
                "cpu_seconds": time.process_time() * place.world,
            }
            write_checkpoint(path, state)

    progress, running = 0.0, None
    now = saved = reported = time.monotonic()
    scored = now
    while True:
        if step % task.average_every == 0:
            if place.world > 1 and step:
                average_weights(parameters, place.world)
            progress, asked = agree([elapsed / (minutes * 60) if minutes else 1.0, float(stop.wanted)], place.world)
            if asked:
                save()
                raise Stopped(task.name)
            if progress >= 1:
                break
            if now - saved > SAVE_EVERY:
                save()
                saved = now
        falling = 1.0 if progress < task.flat else max(0.01, (1 - progress) / (1 - task.flat))
        for group in optimizer.param_groups:
            group["lr"] = task.rate * group["factor"] * min(1, (step + 1) / task.warmup) * falling
        loss = task.loss(step)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        step += 1
        if step % 4 == 0:
            averaged.follow(model, step, 4)
        before, now = now, time.monotonic()
        elapsed += min(now - before, LONGEST_STEP)
        value = loss.item()
        running = value if running is None else 0.98 * running + 0.02 * value
        if place.rank == 0 and now - reported > REPORT_EVERY:
            reported = now
            done = "#" * round(20 * progress)
            report = (
                f"{task.name} [{done:.<20}] {progress:4.0%} {elapsed / 60:6.1f} min  step {step}  loss {running:.4f}"
            )
            report += f"  seen {step * task.batch * place.world}  cpu {time.process_time():.0f} s"
            if task.score and now - scored > task.score_every:
                scored = now
                report += "".join(f"  {k} {v:.3f}" for k, v in task.score(averaged.model).items())
                if task.sheet:
                    task.sheet(averaged.model, place.folder / f"{task.name}.png")
            sys.stderr.write(report + "\n")
            sys.stderr.flush()
    save()
    if place.rank == 0:
        figures = task.score(averaged.model) if task.score else {}
        words = "".join(f"  {k} {v:.4f}" for k, v in figures.items())
        sys.stderr.write(f"{task.name} done: {step} steps, {elapsed / 60:.1f} min{words}\n")
        if task.sheet:
            task.sheet(averaged.model, place.folder / f"{task.name}.png")
    return averaged.model


Job = Callable[[Place], None]


def _work(rank: int, job: Job, place: Place, meeting: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=place.world)
    try:
        job(replace(place, rank=rank))
    except Stopped:
        return
    finally:
        torch.distributed.destroy_process_group()


def spread(job: Job, place: Place) -> None:
    """Run `job` in `place.world` processes that average their weights, one thread each, or here where world is 1.

    Two threads in one process waste a busy CPU on spinning at barriers; two processes do not. Raises Stopped where one
    was asked to end.
    """
    if place.world == 1:
        job(place)
        return
    with tempfile.TemporaryDirectory() as folder:
        meeting = (Path(folder) / "meeting").as_uri()
        context = torch.multiprocessing.spawn(_work, (job, place, meeting), nprocs=place.world, join=False)
        asked = False

        def forward(number: int, frame: FrameType | None) -> None:
            nonlocal asked
            asked = True
            for process in context.processes:
                if process.pid and process.is_alive():
                    os.kill(process.pid, signal.SIGTERM)

        signal.signal(signal.SIGTERM, forward)
        signal.signal(signal.SIGINT, forward)
        while not context.join():
            pass
    if asked:
        raise Stopped
