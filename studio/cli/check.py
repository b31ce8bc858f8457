"""`wirelight check`: what keeps a workflow from running."""

from __future__ import annotations

import argparse
import json

from studio.cli import BAD_INPUT, OK
from studio.cli.inputs import open_named
from studio.cli.worker import catalog
from studio.graph.check import check
from studio.graph.codec import encode
from studio.graph.errors import Misuse, WirelightError, WorkflowUnreadable


def check_workflow(options: argparse.Namespace) -> int:
    """Print every problem with its place and its mend. Exit status 2 where there is one."""
    try:
        opened, name = open_named(options.workflow)
    except (WorkflowUnreadable, Misuse) as error:
        if options.json:
            _print_unreadable(options.workflow, error)
            return BAD_INPUT
        raise
    problems = check(opened.workflow.graph, catalog())
    if options.json:
        plain = {
            "file": name,
            "ok": not problems,
            "warnings": list(opened.warnings),
            "problems": [encode(problem) for problem in problems],
        }
        print(json.dumps(plain, ensure_ascii=False, indent=2))
        return BAD_INPUT if problems else OK
    for warning in opened.warnings:
        print(f"{name}: {warning}")
    for problem in problems:
        print(f"{name}: {problem.where}: {problem.what} {problem.mend}".rstrip())
    if not problems:
        print(f"{name}: {len(opened.workflow.graph.nodes)} nodes, ready to run.")
    return BAD_INPUT if problems else OK


def _print_unreadable(name: str, error: WirelightError) -> None:
    problem = {"kind": "unreadable", "node": "", "what": error.what, "mend": error.mend, "where": error.where}
    print(json.dumps({"file": name, "ok": False, "warnings": [], "problems": [problem]}, ensure_ascii=False, indent=2))
