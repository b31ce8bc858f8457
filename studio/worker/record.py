"""What was written goes into the library's record of outputs, so that it is found again."""

from __future__ import annotations

import logging
from pathlib import Path

from studio.graph.errors import FileProblem
from studio.graph.graph import NodeId
from studio.library.database import library
from studio.library.outputs import Output, Outputs, Presence
from studio.protocol.messages import RunId


def record_output(run: RunId, node: NodeId, path: Path, media: str) -> None:
    """Record a complete file. One that is recorded already and was not changed since keeps the run that made it.

    A record that cannot be written is no reason to fail a run whose file is there: it is logged.
    """
    try:
        outputs = Outputs(library())
        known = outputs.at(path)
        if known is None or known.presence is not Presence.THERE:
            outputs.add(Output(path, media, run=run, node=node))
    except FileProblem as error:
        logging.getLogger(__name__).warning("%s is written, but not in the library's record: %s", path.name, error)
