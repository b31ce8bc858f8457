"""`wirelight runs`, `resume` and `branch`: what was run before, gone on with, or gone on from differently."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

from studio.app.chosen_sampler import require_step, sampler_named
from studio.cli import OK
from studio.cli.run import Asked, execute, require_valid
from studio.cli.values import read_assignment
from studio.files.node_migrations import migrate_nodes
from studio.files.workflow_file import from_text
from studio.graph.branching import branch
from studio.graph.errors import Misuse
from studio.graph.graph import NodeId, Socket
from studio.graph.spec import Catalog
from studio.graph.workflow import Workflow
from studio.library.database import library
from studio.library.records import RecordState, RunRecord, RunRecords


def show_runs(options: argparse.Namespace) -> int:
    """List them, the latest first."""
    found = RunRecords(library()).list()
    if options.json:
        listed = [
            {
                "run": one.run,
                "title": one.title,
                "state": one.state.value,
                "node": one.node,
                "step": one.step,
                "out": one.out,
                "changed": one.changed,
            }
            for one in found
        ]
        print(json.dumps(listed, ensure_ascii=False, indent=2))
        return OK
    for one in found:
        at = f" after step {one.step} of {one.node}" if one.state is RecordState.PAUSED else ""
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(one.changed))
        print(f"{one.run}  {when}  {one.title or 'untitled'}: {one.state}{at}")
    return OK


def resume(options: argparse.Namespace) -> int:
    """Go on with a run that was paused, cancelled, or broken off; one that is done is looked up step by step, and costs next to nothing."""
    record = _found(options.run)
    workflow = _workflow(record)

    def prepare(catalog: Catalog) -> Asked:
        graph, _ = migrate_nodes(workflow.graph, catalog)
        wanted = tuple(map(NodeId, record.wanted))
        require_valid(graph, catalog, wanted)
        return Asked(replace(workflow, graph=graph), wanted, run=record.run)

    return execute(record.run, prepare, options, _out(options, record))


def branch_off(options: argparse.Namespace) -> int:
    """Run the branch of a run: a new run, whose workflow has both."""
    record = _found(options.run)
    workflow = _workflow(record)

    def prepare(catalog: Catalog) -> Asked:
        graph, _ = migrate_nodes(workflow.graph, catalog)
        sampler = sampler_named(graph, catalog, options.node)
        edits = [read_assignment(graph, catalog, one) for one in options.values]
        changes = {Socket(one.node, one.name): one.value for one in edits}
        require_step(graph, catalog, sampler, options.step, 0, 1)
        made = branch(graph, catalog, sampler, options.step, changes)
        after, _ = made.edit.apply(graph)
        feeding = {output.node for output in after.links.values()}
        wanted = tuple(id for id in made.nodes if id not in feeding)
        require_valid(after, catalog, wanted)
        return Asked(replace(workflow, graph=after), wanted)

    return execute(record.run, prepare, options, _out(options, record))


def _found(run: str) -> RunRecord:
    record = RunRecords(library()).find(run)
    if record.state is RecordState.RUNNING:
        raise Misuse(f"Run '{record.run}' is still on.", mend="Wait for its end, or cancel it where it was started.")
    return record


def _workflow(record: RunRecord) -> Workflow:
    return from_text(record.workflow, f"run {record.run}").workflow


def _out(options: argparse.Namespace, record: RunRecord) -> Path | None:
    """The folder that the command names; else that of the run before."""
    if options.out is not None:
        named: Path = options.out
        return named
    return Path(record.out) if record.out else None
