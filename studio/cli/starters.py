"""`wirelight starters`: train the models that come with the program, or go on with a training that was begun."""

from __future__ import annotations

import argparse
import subprocess
import sys

from studio.cli import BAD_INPUT, FAILED, INTERRUPTED, OK
from studio.library.places import places
from studio.resources import resource


def train(options: argparse.Namespace) -> int:
    """Train in a process of its own, which shows its progress itself. Returns the exit status; Ctrl-C leaves a checkpoint to go on from."""
    out = options.out if options.out is not None else places().data / "training"
    out.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(resource("starters", "train")), options.name, "--out", str(out.absolute())]
    command += ["--minutes", str(options.minutes), "--device", options.device, "--processes", str(options.processes)]
    if not options.anew:
        command.append("--resume")
    with subprocess.Popen(command) as training:
        while True:
            try:
                status = training.wait()
                break
            except KeyboardInterrupt:
                continue  # the training has heard it too, and ends as soon as its checkpoint is written
    return {0: OK, 2: BAD_INPUT, 130: INTERRUPTED}.get(status, FAILED)
