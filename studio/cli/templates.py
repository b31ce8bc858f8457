"""`wirelight templates`: the workflows that come with the program."""

from __future__ import annotations

import argparse
import json
import sys

from studio.cli import BAD_INPUT, OK
from studio.cli.inputs import templates
from studio.files.workflow_file import read_workflow
from studio.graph.errors import WorkflowUnreadable


def show_templates(options: argparse.Namespace) -> int:
    """List them by name, with the first line of their description."""
    found, broken = [], 0
    for path in templates():
        try:
            workflow = read_workflow(path).workflow
        except WorkflowUnreadable as error:
            print(f"wirelight: {error}", file=sys.stderr)
            broken += 1
            continue
        found.append({"name": path.stem, "title": workflow.title, "description": workflow.description})
    if options.json:
        print(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        width = max((len(one["name"]) for one in found), default=0)
        for one in found:
            print(f"{one['name']:<{width}}  {one['description'].partition(chr(10))[0] or one['title']}".rstrip())
    return BAD_INPUT if broken else OK
