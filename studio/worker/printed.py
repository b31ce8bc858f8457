"""What node code and native libraries print, as lines with the node that they came from."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import struct
import sys
import termios
import threading
from collections.abc import Callable
from typing import Final, TextIO

_BREAK: Final = re.compile(rb"[\r\n]+")
_LONGEST: Final = 10_000
_CHUNK: Final = 2**16
_MOST_CHUNKS: Final = 64
_LINE_BUFFERED: Final = 1
"""_IOLBF of the C libraries of Linux and macOS."""

Say = Callable[[str], None]


def take_over(out: int) -> tuple[int, int]:
    """Move the messages' pipes away from where prints go. Returns the descriptors to read from and to write to.

    From then on 1 and 2, and so all prints, lead to `out`, and 0 to nowhere.
    """
    messages_in, messages_out = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.close(nowhere)
    os.dup2(out, 1)
    if out != 2:
        os.dup2(out, 2)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]
    _buffer_lines_in_c()
    return messages_in, messages_out


def _buffer_lines_in_c() -> None:
    """C's stdout holds 4 KB back where it is no terminal; make it give out every line."""
    import ctypes

    library = ctypes.CDLL(None)
    name = "__stdoutp" if sys.platform == "darwin" else "stdout"
    stdout = ctypes.c_void_p.in_dll(library, name)
    library.setvbuf(stdout, None, _LINE_BUFFERED, 0)


class Printed:
    """Reads the pipe that prints go to. `say` gets each line at a time when the node that printed it still counts as running."""

    def __init__(self, pipe: int, say: Say) -> None:
        self._pipe = pipe
        self._say = say
        self._rest = b""
        self._lock = threading.Lock()
        self._empty = struct.pack("i", 0)
        os.set_blocking(pipe, False)
        threading.Thread(target=self._listen, name="printed", daemon=True).start()

    def settle(self) -> None:
        """Say everything that was printed until now, an unfinished line as well. To be called before another node takes over."""
        for stream in (sys.stdout, sys.stderr):
            _flush(stream)
        if self._rest or fcntl.ioctl(self._pipe, termios.FIONREAD, self._empty) != self._empty:
            with self._lock:
                self._read()
                if self._rest:
                    self._one(self._rest)
                    self._rest = b""

    def _listen(self) -> None:
        while True:
            select.select([self._pipe], [], [])
            with self._lock:
                self._read()

    def _read(self) -> None:
        # Not until it is empty: somebody may print faster than we read.
        with contextlib.suppress(BlockingIOError):
            for _ in range(_MOST_CHUNKS):
                part = os.read(self._pipe, _CHUNK)
                *lines, self._rest = _BREAK.split(self._rest + part)
                for line in lines:
                    self._one(line)
                if len(self._rest) > _LONGEST:
                    self._one(self._rest)
                    self._rest = b""

    def _one(self, line: bytes) -> None:
        text = line[:_LONGEST].decode("utf-8", "backslashreplace").rstrip()
        if text:
            self._say(text)


def _flush(stream: TextIO) -> None:
    try:  # noqa: SIM105 - after every node: a context manager takes longer than all the rest
        stream.flush()
    except (AttributeError, ValueError, OSError):
        pass  # node code may have put anything in its place, or closed it
