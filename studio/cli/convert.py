"""`wirelight convert` and `wirelight strip`: a workflow in another form, and a file without its workflow."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from studio.cli import OK
from studio.cli.inputs import open_named
from studio.cli.worker import ready_catalog
from studio.files.atomic import write_atomically
from studio.files.containers.stripping import strip_texts
from studio.files.workflow_file import to_text
from studio.graph.errors import FileProblem, Misuse


def convert(options: argparse.Namespace) -> int:
    """Write a workflow of any kind that we read in the wanted form, to a file or the standard output."""
    opened, name = open_named(options.workflow)
    notes = list(opened.warnings) + list(opened.report.notes if opened.report is not None else ())
    if options.to == "comfyui-api":
        from studio.files.comfyui.to_api import to_api

        form = to_api(opened.workflow.graph, ready_catalog())
        text = json.dumps(form.prompt, ensure_ascii=False, indent=2) + "\n"
        notes += form.left_out
    else:
        text = to_text(opened.workflow)
    if options.out is None:
        if options.json:
            raise Misuse("--json tells what was written to a file.", where="--json", mend="Name one with --out.")
        print(text, end="")
        return OK
    if options.out.exists() and not options.force:
        raise Misuse(
            "There is a file of that name.", where=str(options.out), mend="Choose another name, or use --force."
        )
    write_atomically(options.out, text)
    if options.json:
        print(
            json.dumps(
                {"file": name, "out": str(options.out), "to": options.to, "notes": notes}, ensure_ascii=False, indent=2
            )
        )
    else:
        for note in notes:
            print(f"{name}: {note}")
        print(f"{options.out} was written.")
    return OK


def strip(options: argparse.Namespace) -> int:
    """Take the workflow and all other texts out of PNG, WebP, JPEG, FLAC or WAV files; the pixels and sounds stay as they are."""
    done = []
    for path in options.files:
        target: Path = path if options.out is None else options.out / path.name
        try:
            data = path.read_bytes()
        except OSError as error:
            raise FileProblem(path, f"The file cannot be read: {error.strerror or error}.") from error
        stripped = strip_texts(data)
        if stripped is None:
            raise FileProblem(path, "This is no whole PNG, WebP, JPEG, FLAC or WAV file.", mend="Choose such a file.")
        if stripped != data or target != path:
            write_atomically(target, stripped)
        done.append({"file": str(path), "out": str(target), "bytes_removed": len(data) - len(stripped)})
    if options.json:
        print(json.dumps(done, ensure_ascii=False, indent=2))
    else:
        for one in done:
            print(f"{one['out']}: {one['bytes_removed']} bytes taken out.")
    return OK
