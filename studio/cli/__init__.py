"""The `wirelight` command. Whatever goes wrong ends in one sentence and an exit status, never in a traceback.

Exit status: 0 done, 1 a run that failed, 2 bad input, 3 a run that paused where it was to, 130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import Namespace

OK, FAILED, BAD_INPUT, PAUSED, INTERRUPTED = 0, 1, 2, 3, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Obey a command line, without the program's name. Returns the exit status."""
    try:
        _print_anything()
        from studio.cli.parser import parse

        return _obey(parse(sys.argv[1:] if arguments is None else arguments))
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _let_go_of_output()
        return FAILED


def _print_anything() -> None:
    """A name of a file that the terminal's encoding lacks must not stop a run."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _obey(options: Namespace) -> int:
    from studio.graph.errors import Interruption, WirelightError, WorkerLost

    try:
        status: int = options.command(options)
        sys.stdout.flush()
    except Interruption:
        return INTERRUPTED
    except WorkerLost as error:
        print(f"wirelight: {error}", file=sys.stderr)
        return FAILED
    except WirelightError as error:
        print(f"wirelight: {error}", file=sys.stderr)
        return BAD_INPUT
    return status


def _let_go_of_output() -> None:
    """The reader of a pipe has gone. Python would complain once more at its end, when it flushes."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
