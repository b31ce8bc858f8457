"""`wirelight run`: a workflow without a window."""

from __future__ import annotations

import argparse
import errno
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NoReturn

from studio.app.chosen_sampler import require_step, sampler_named
from studio.app.supervisor import WorkerDied
from studio.cli import BAD_INPUT, FAILED, INTERRUPTED, OK, PAUSED
from studio.cli.inputs import open_named
from studio.cli.png import png
from studio.cli.record import Record
from studio.cli.show import JsonLines, Lines, Show
from studio.cli.values import near, set_values
from studio.cli.worker import Received, Worker, ready_catalog, show_log, worker
from studio.files.atomic import write_atomically, write_failed
from studio.files.node_migrations import migrate_nodes
from studio.files.workflow_file import to_text
from studio.graph.check import check
from studio.graph.errors import GraphInvalid, Misuse, WorkerLost, WriteFailed
from studio.graph.graph import Graph, NodeId
from studio.graph.spec import Catalog
from studio.graph.workflow import Workflow
from studio.library.records import RecordState
from studio.protocol.messages import Log, Ready, RunFinished, RunId, RunPaused, RunRefused, Stepped

_DEVICE: Final = re.compile(r"auto|cpu|mps|(cuda|xpu)(:\d+)?")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be run: a whole workflow, which nodes of it, and at which step of which node it pauses. `run`: that of a run to go on
    with, or empty."""

    workflow: Workflow
    wanted: tuple[NodeId, ...] = ()
    pause_at: tuple[NodeId, int] | None = None
    run: str = ""


def run(options: argparse.Namespace) -> int:
    """Run a workflow and return the exit status. Raises our errors for bad input."""
    opened, name = open_named(options.workflow)
    if opened.warnings or not opened.workflow.graph.nodes:
        _refuse(name, opened.warnings)
    if options.node and options.pause_at is None:
        raise Misuse("There is no step to pause at.", where="--node", mend="Say --pause-at STEP as well.")

    def prepare(catalog: Catalog) -> Asked:
        return _prepare(opened.workflow, catalog, options)

    return execute(name, prepare, options, options.out)


def execute(name: str, prepare: Callable[[Catalog], Asked], options: argparse.Namespace, out: Path | None) -> int:
    """Run what `prepare` makes of the node types that there are, record it, and return the exit status. Raises our errors for bad input."""
    for folder in (out, options.previews):
        if folder is not None:
            _make_folder(folder)
    place = str(out.absolute()) if out is not None else ""
    if options.device and not _DEVICE.fullmatch(options.device):
        raise Misuse(f"'{options.device}' is no device.", where="--device", mend="Use auto, cpu, cuda:0 or mps.")
    show: Show = JsonLines() if options.json else Lines()
    try:
        known = ready_catalog()
        asked = prepare(known) if known is not None else None
        with worker(options.device, place) as one:
            _wait_for_device(one, options.device)
            asked = asked or prepare(one.catalog())
            seen = options.previews is not None
            text = to_text(asked.workflow)
            id = RunId(asked.run or os.urandom(4).hex())
            record = Record(id, asked.workflow.title, text, asked.wanted, place)
            one.supervisor.run(
                asked.workflow.graph,
                asked.wanted,
                out=place,
                workflow=text,
                previews=seen,
                every_preview=seen,
                run_id=id,
                pause_at=asked.pause_at,
            )
            status = _follow(one, id, show, options.previews, record)
            if status == OK and asked.pause_at is not None:
                node, step = asked.pause_at
                raise Misuse(f"The run is over: '{node}' did not come to step {step}.", where="--pause-at")
            return status
    except GraphInvalid as error:
        for problem in error.problems:
            print(f"wirelight: {name}: {problem.where}: {problem.what} {problem.mend}".rstrip(), file=sys.stderr)
        return BAD_INPUT
    finally:
        show.end()


def _refuse(name: str, warnings: Sequence[str]) -> NoReturn:
    """A workflow that was not read whole is not run: it would be another one than was meant."""
    for warning in warnings[1:]:
        print(f"wirelight: {name}: {warning}", file=sys.stderr)
    if warnings:
        raise Misuse(warnings[0], where=name, mend="Open it in the window, look at it, and save it.")
    raise Misuse("There are no nodes in it.", where=name)


def _wait_for_device(one: Worker, device: str) -> None:
    """Until the worker is ready. One that cannot start on the device that was asked for is no failed run, but bad input."""
    try:
        one.wait_for(Ready)
    except WorkerLost as error:
        if device:
            raise Misuse(error.what, where=f"--device {device}", mend=error.mend) from error
        raise


def _prepare(workflow: Workflow, catalog: Catalog, options: argparse.Namespace) -> Asked:
    """The workflow with the values of the command line, and what is wanted of it. Raises `Misuse` and `GraphInvalid`."""
    graph, notes = migrate_nodes(workflow.graph, catalog)
    for note in notes:
        print(f"wirelight: {note}", file=sys.stderr)
    graph = set_values(graph, catalog, options.values)
    for name in options.only:
        if name not in graph.nodes:
            raise Misuse(f"There is no node '{name}'.", where="--only", mend=near(name, graph.nodes, "It has"))
    wanted = tuple(NodeId(name) for name in options.only)
    require_valid(graph, catalog, wanted)
    pause_at = None
    if options.pause_at is not None:
        sampler = sampler_named(graph, catalog, options.node)
        require_step(graph, catalog, sampler, options.pause_at, 1, 0)
        pause_at = sampler, options.pause_at
    return Asked(replace(workflow, graph=graph), wanted, pause_at)


def require_valid(graph: Graph, catalog: Catalog, wanted: tuple[NodeId, ...]) -> None:
    """Raises `GraphInvalid` where something keeps the graph from running."""
    problems = check(graph, catalog, wanted or None)
    if problems:
        raise GraphInvalid(problems)


def _follow(one: Worker, id: RunId, show: Show, previews: Path | None, record: Record) -> int:
    """Show what happens until the run is over or pauses. Ctrl-C cancels it; a second one does not wait for that."""
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
                record.note(RecordState(state))
                if answered:
                    return INTERRUPTED
                return OK if state == "done" else FAILED
            case RunPaused(run=run, node=node, step=step) if run == id:
                show.event(received.report)
                record.note(RecordState.PAUSED, node, step)
                return PAUSED
            case RunRefused(run=run, problems=problems) if run == id:
                record.note(RecordState.FAILED)
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


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise WriteFailed(folder, "There is a file of that name.", mend="Name a folder.") from error
    except OSError as error:
        raise write_failed(folder, error) from error
    if not os.access(folder, os.W_OK):
        raise write_failed(folder, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))
