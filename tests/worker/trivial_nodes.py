"""Nodes for a worker under test: quick ones, slow ones, loud ones, and some that nobody would want."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
import stat
import subprocess
import sys
import time
import warnings
from functools import partial

import numpy as np

from studio.sdk import Image, Schedule, node, running


@node("test/Add")
def add(a: float = 0.0, b: float = 0.0) -> float:
    """The sum."""
    return a + b


@node("test/Environment")
def environment(value: float = 0.0, name: str = "GOMP_SPINCOUNT") -> float:
    """A number in the worker's environment, or -1."""
    return float(os.environ.get(name, -1))


@node("test/Steps")
def steps(value: float = 0.0, steps: int = 10, seconds: float = 0.01, edge: int = 32) -> float:
    """Steps with previews, each of its own colour."""
    for index in range(1, steps + 1):
        time.sleep(seconds)
        running().step(
            index, steps, 1.0 - index / steps, partial(np.full, (edge, edge, 3), index % 256, dtype=np.uint8)
        )
    return value + 1


@node("test/Grey")
def grey(value: float = 0.0, brightness: float = 0.5, width: int = 64, height: int = 48, batch: int = 1) -> Image:
    """A grey picture."""
    return Image.solid(width, height, (brightness, brightness, brightness), batch)


@node("test/Levels")
def levels(value: float = 0.0, steps: int = 3) -> Schedule:
    """A schedule."""
    return Schedule(tuple(float(level) for level in range(steps, -1, -1)))


@node("test/Prints")
def prints(value: float = 0.0, words: str = "hello") -> float:
    """Prints in four ways."""
    print(f"{words} from Python")  # noqa: T201
    os.write(1, f"{words} from the system\n".encode())
    library = ctypes.CDLL(None)
    library.puts(f"{words} from C".encode())
    print(f"{words} to stderr", file=sys.stderr)  # noqa: T201
    subprocess.run(["echo", f"{words} from a child"], check=True)
    print(f"{words} without an end", end="")  # noqa: T201
    return value


@node("test/Fails")
def fails(value: float = 0.0) -> float:
    """Raises."""
    raise ValueError(f"{value} is not to my taste")


@node("test/Dies")
def dies(value: float = 0.0, number: int = int(signal.SIGKILL)) -> float:
    """Takes the process along."""
    os.kill(os.getpid(), number)
    return value


@node("test/Loops")
def loops(value: float = 0.0) -> float:
    """Heeds nothing and swallows everything."""
    while True:
        try:
            while True:
                value += 1e-9
        except Exception:  # noqa: BLE001 - that is the point
            value -= 1e-9


@node("test/Sleeps")
def sleeps(value: float = 0.0, seconds: float = 60.0) -> float:
    """Waits for the system, where Python cannot look."""
    time.sleep(seconds)
    return value


@node("test/Hangs")
def hangs(value: float = 0.0, seconds: int = 60) -> float:
    """Native code that lets no other thread run."""
    ctypes.PyDLL(None).sleep(seconds)
    return value


@node("test/Orphans")
def orphans(value: float = 0.0) -> float:
    """Forks a child that keeps all pipes open, and dies."""
    if os.fork() == 0:
        time.sleep(60)
        os._exit(0)
    os.kill(os.getpid(), signal.SIGKILL)
    return value


@node("test/Waits")
def waits(value: float = 0.0) -> float:
    """An endless loop like many others."""
    while True:
        value += 1e-9


@node("test/Babbles")
def babbles(value: float = 0.0) -> float:
    """Writes into every pipe that it finds."""
    for file in range(3, 30):
        with contextlib.suppress(OSError):
            if stat.S_ISFIFO(os.fstat(file).st_mode):
                os.write(file, b"GET / HTTP/1.1\r\n\r\n")
    time.sleep(60)
    return value


@node("test/Logs")
def logs(value: float = 0.0) -> float:
    """Uses Python's logging."""
    logging.getLogger("somewhere").warning("careful with %s", "this")
    warnings.warn("and this", stacklevel=1)
    return value


@node("test/Odd")
def odd(value: float = 0.0) -> float:
    """Reports numbers of all kinds."""
    context = running()
    context.step(np.int64(1), np.int32(2), np.float32("nan"))  # type: ignore[arg-type]
    context.progress(np.float64(0.5), float("inf"))
    return value


@node("test/Floods")
def floods(value: float = 0.0, megabytes: int = 2) -> float:
    """Prints more than any pipe holds, from native code that lets no other thread run."""
    line = b"x" * 199 + b"\n"
    write = ctypes.PyDLL(None).write
    for _ in range(megabytes * 5243):
        write(1, line, 200)
    return value


@node("test/Babel")
def babel(value: float = 0.0) -> float:
    """Prints for ever."""
    while True:
        print("and another thing")  # noqa: T201
        running().checkpoint()
