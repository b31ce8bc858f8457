"""`wirelight` and `wirelight open`: the window, where there is something to show it on."""

from __future__ import annotations

import argparse
import os
import sys

from studio.cli import BAD_INPUT
from studio.graph.errors import Misuse

_HEADLESS = """There is no display to open a window on (neither DISPLAY nor WAYLAND_DISPLAY is set).

Run a workflow without a window:
  wirelight run text-to-image --set prompt.text="a red house" --out pictures
Or look at what there is:
  wirelight templates
  wirelight --help"""


def open_window(options: argparse.Namespace) -> int:
    """Open the window, with a file or with what was open last. Raises `Misuse` for a file that is not there."""
    if not has_display():
        print(_HEADLESS, file=sys.stderr)
        return BAD_INPUT
    if options.file is not None and not options.file.expanduser().is_file():
        raise Misuse("There is no such file.", where=str(options.file), mend="Check the path.")
    from studio.window import main

    return main([str(options.file)] if options.file is not None else [])


def has_display() -> bool:
    """Whether Qt will find something to show windows on."""
    if sys.platform in ("win32", "darwin") or os.environ.get("QT_QPA_PLATFORM"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
