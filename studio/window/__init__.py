"""The only package that sees Qt."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def main(argv: Sequence[str] = (), on_first_frame: Callable[[], None] | None = None) -> int:
    """Open the window, with the files in `argv` and what was open last; return when it is closed. The exit status is 0.

    `on_first_frame` is called once the first frame is on the screen, before the worker is started. Raises `WriteFailed` where not even
    the folder for open documents can be used.
    """
    import gc

    # Collecting garbage while modules are made costs a sixth of the start, and finds nothing. It goes on after the first frame.
    gc.disable()
    from studio.window.application import run_application

    return run_application(argv, on_first_frame)
