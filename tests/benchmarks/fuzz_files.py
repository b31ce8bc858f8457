"""Thousands of changed workflow files of all kinds: each opens, or is refused with a message; none crashes, hangs or takes much memory.

    python -m tests.benchmarks.fuzz_files [--files 20000] [--corpus DIR] [--seed N]

Beside the hand-made files of the tests, files of DIR are changed too. Changes: bytes, cuts, pieces repeated or swapped, numbers and ids
replaced. Prints one JSON line: `files, opened, refused, crashed, slow` (over 2 s), `worst_s`, `peak_mb`.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import tempfile
import time
import traceback
from pathlib import Path

from studio.files.workflow_file import read_workflow, to_text
from studio.graph.errors import WirelightError
from tests.files.containers.test_containers import FILES, HOSTILE, SETTINGS_FILES

_SLOW = 2.0
_ODD = (
    b"0",
    b"-1",
    b"1e999",
    b"null",
    b"{}",
    b"[]",
    b'""',
    b"NaN",
    b"99999999999999999999",
    b"[[[[",
    b"true",
    b'"-10"',
    b"-20",
    b'{"0":1}',
)


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--files", type=int, default=20_000)
    options.add_argument("--corpus", type=Path)
    options.add_argument("--seed", type=int, default=0)
    chosen = options.parse_args()
    draw = random.Random(chosen.seed)
    seeds = [(name, make()) for name, make in FILES.values()]
    seeds += [(name, make()) for name, make, _ in SETTINGS_FILES.values()]
    seeds += [(name, make()) for case, (name, make) in HOSTILE.items() if case != "bomb"]
    if chosen.corpus is not None:
        paths = [path for path in sorted(chosen.corpus.rglob("*")) if path.is_file() and path.stat().st_size < 200_000]
        seeds += [(f"a{path.suffix}", path.read_bytes()) for path in draw.sample(paths, min(len(paths), 300))]
    counts = {"files": 0, "opened": 0, "refused": 0, "crashed": 0, "slow": 0}
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(chosen.files):
            name, data = draw.choice(seeds)
            path = Path(folder) / name
            path.write_bytes(changed(data, draw))
            began = time.process_time()
            try:
                to_text(read_workflow(path).workflow)
                counts["opened"] += 1
            except WirelightError:
                counts["refused"] += 1
            except Exception:  # noqa: BLE001 - every crash is what is looked for
                counts["crashed"] += 1
                if counts["crashed"] <= 5:
                    traceback.print_exc(file=sys.stderr)
            spent = time.process_time() - began
            counts["files"] += 1
            counts["slow"] += spent > _SLOW
            worst = max(worst, spent)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({**counts, "worst_s": round(worst, 3), "peak_mb": round(peak)}))


def changed(data: bytes, draw: random.Random) -> bytes:
    """The bytes with one to five changes."""
    held = bytearray(data)
    for _ in range(draw.randint(1, 5)):
        at = draw.randrange(len(held) + 1) if held else 0
        length = draw.choice((1, 4, 16, 200))
        match draw.randrange(6):
            case 0 if held:
                held[min(at, len(held) - 1)] = draw.randrange(256)
            case 1:
                del held[at:]
            case 2:
                held[at:at] = held[at : at + length] * draw.randint(1, 20)
            case 3:
                del held[at : at + length]
            case 4:
                held[at : at + draw.choice((0, 1, 3))] = draw.choice(_ODD)
            case _:
                other = draw.randrange(len(held) + 1)
                held[at : at + length], held[other : other + length] = (
                    held[other : other + length],
                    held[at : at + length],
                )
    return bytes(held)


if __name__ == "__main__":
    main()
