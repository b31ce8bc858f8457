"""`wirelight run`: a workflow without a window."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from studio.app.supervisor import WorkerDied
from studio.cli import FAILED, INTERRUPTED, OK
from studio.cli.inputs import open_named
from studio.cli.png import png
from studio.cli.show import JsonLines, Lines, Show
from studio.cli.values import near, set_values
from studio.cli.worker import Received, Worker, show_log, worker
from studio.files.atomic import write_atomically, write_failed
from studio.files.workflow_file import to_text
from studio.graph.check import check
from studio.graph.errors import GraphInvalid, Misuse
from studio.graph.graph import Graph, NodeId
from studio.protocol.messages import CatalogSent, Log, RunFinished, RunId, RunRefused, Stepped


def run(options: argparse.Namespace) -> int:
    """Run a workflow and return the exit status. Raises our errors for bad input."""
    opened, name = open_named(options.workflow)
    for warning in opened.warnings:
        print(f"{name}: {warning}", file=sys.stderr)
    for folder in (options.out, options.previews):
        if folder is not None:
            _make_folder(folder)
    out = str(options.out.absolute()) if options.out is not None else ""
    show: Show = JsonLines() if options.json else Lines()
    with worker(options.device, out) as one:
        catalog = one.wait_for(CatalogSent).catalog
        graph = set_values(opened.workflow.graph, catalog, options.values)
        wanted = _wanted(graph, options.only)
        problems = check(graph, catalog, wanted or None)
        if problems:
            raise GraphInvalid(problems)
        seen = options.previews is not None
        text = to_text(replace(opened.workflow, graph=graph))
        id = one.supervisor.run(graph, wanted, out=out, workflow=text, previews=seen, every_preview=seen)
        try:
            return _follow(one, id, show, options.previews)
        finally:
            show.end()


def _follow(one: Worker, id: RunId, show: Show, previews: Path | None) -> int:
    """Show what happens until the run is over. Ctrl-C cancels it; a second one does not wait for that."""
    answered = 0
    while True:
        received = one.next()
        if one.interruptions > answered:
            answered = one.interruptions
            if answered > 1:
                one.kill()
                return INTERRUPTED
            show.note("Cancelling. Press Ctrl-C once more to end at once.")
            one.supervisor.cancel(id)
        if received is None:
            continue
        match received.report:
            case RunFinished(run=run, state=state) if run == id:
                show.event(received.report)
                if answered:
                    return INTERRUPTED
                return OK if state == "done" else FAILED
            case RunRefused(run=run, problems=problems) if run == id:
                raise GraphInvalid(problems)
            case Stepped():
                show.step(received.report, _write_preview(received, previews))
            case Log():
                show.end()
                show_log(received.report)
            case WorkerDied(what=what):
                show.note(what)
            case other:
                show.event(other)


def _write_preview(received: Received, folder: Path | None) -> Path | None:
    """The preview as a file, or None where the step has none."""
    step = received.report
    if folder is None or received.pixels is None or not isinstance(step, Stepped) or step.preview is None:
        return None
    picture = step.preview
    path = folder.absolute() / f"{step.node.replace('/', '-')}-{step.index:04d}.png"
    write_atomically(path, png(received.pixels, picture.width, picture.height, picture.channels))
    return path


def _wanted(graph: Graph, names: Collection[str]) -> tuple[NodeId, ...]:
    for name in names:
        if name not in graph.nodes:
            raise Misuse(f"There is no node '{name}'.", where="--only", mend=near(name, graph.nodes, "It has"))
    return tuple(NodeId(name) for name in names)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_failed(folder, error) from error
