"""`wirelight check`: what keeps a workflow from running."""

from __future__ import annotations

import argparse
import json
from typing import Any

from studio.app.missing import missing_models
from studio.cli import BAD_INPUT, OK
from studio.cli.inputs import open_named
from studio.cli.worker import catalog
from studio.files.import_report import ImportReport
from studio.files.node_migrations import migrate_nodes
from studio.graph.check import check
from studio.graph.codec import encode
from studio.graph.errors import Misuse, WirelightError, WorkflowUnreadable


def check_workflow(options: argparse.Namespace) -> int:
    """Print everything that is wrong, with its place and its mend. Exit status 2 where something is."""
    try:
        opened, name = open_named(options.workflow)
    except (WorkflowUnreadable, Misuse) as error:
        if options.json:
            _print_unreadable(options.workflow, error)
            return BAD_INPUT
        raise
    known = catalog()
    graph, notes = migrate_nodes(opened.workflow.graph, known)
    problems = check(graph, known)
    missing = missing_models(graph, known)
    good = bool(graph.nodes) and not problems and not opened.warnings
    if options.json:
        plain = {
            "file": name,
            "ok": good,
            "nodes": len(graph.nodes),
            "warnings": list(opened.warnings),
            "notes": list(notes),
            "problems": [encode(problem) for problem in problems],
            "missing_models": [encode(one) for one in missing],
            "import": plain_report(opened.report) if opened.report is not None else None,
        }
        print(json.dumps(plain, ensure_ascii=False, indent=2))
        return OK if good else BAD_INPUT
    if opened.report is not None:
        print(f"{name}: {opened.report.summary}")
        for note in opened.report.notes:
            print(f"{name}: {note}")
    for warning in opened.warnings:
        print(f"{name}: {warning}")
    for note in notes:
        print(f"{name}: {note}")
    for problem in problems:
        print(f"{name}: {problem.where}: {problem.what} {problem.mend}".rstrip())
    for one in missing:
        print(f"{name}: {one.node}: {one.name}: {one.what} {one.mend}".rstrip())
    if good:
        print(f"{name}: {len(graph.nodes)} nodes, ready to run.")
    elif not graph.nodes:
        print(f"{name}: There are no nodes in it.")
    return OK if good else BAD_INPUT


def plain_report(report: ImportReport) -> dict[str, Any]:
    """A report as plain data, with its counts."""
    plain: dict[str, Any] = encode(report)
    return {**plain, "nodes": report.nodes, "unmapped": report.unmapped}


def _print_unreadable(name: str, error: WirelightError) -> None:
    problem = {"kind": "unreadable", "node": "", "what": error.what, "mend": error.mend, "where": error.where}
    print(
        json.dumps(
            {"file": name, "ok": False, "nodes": 0, "warnings": [], "problems": [problem]}, ensure_ascii=False, indent=2
        )
    )
