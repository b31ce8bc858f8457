"""What a node raised, as a fact for the artist: which node, which socket, what to do, and where in the node's own code."""

from __future__ import annotations

import traceback
from pathlib import Path
from types import TracebackType
from typing import Final

import studio.sdk
from studio.graph.errors import NodeFailed, WirelightError
from studio.graph.graph import NodeId

_OURS: Final = (str(Path(__file__).parent), *studio.sdk.__path__)


def node_failed(node: NodeId, type: str, error: BaseException) -> NodeFailed:
    """The failure, with the traceback as text: the error itself is not held, since its frames hold all that the node was working on."""
    if isinstance(error, WirelightError):
        what, mend = error.what, error.mend
    else:
        said = str(error).strip()
        what, mend = f"{error.__class__.__name__}: {said}" if said else f"{error.__class__.__name__} was raised.", ""
    socket = getattr(error, "socket", "")
    return NodeFailed(
        what, node=node, type=type, socket=socket if isinstance(socket, str) else "", mend=mend, trace=_trace(error)
    )


def release_frames(error: BaseException) -> None:
    """Let go of everything that the functions which raised this were working on."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            traceback.clear_frames(one.__traceback__)
            one.__traceback__ = None
            waiting += (one.__cause__, one.__context__)


def _trace(error: BaseException) -> str:
    """Python's own text, without the frames of the engine and the SDK that led to the node."""
    if isinstance(error, WirelightError) and _inside(error.__traceback__) is None:
        return ""
    told = traceback.TracebackException.from_exception(error)
    one: traceback.TracebackException | None = told
    while one is not None:
        theirs = [frame for frame in one.stack if not frame.filename.startswith(_OURS)]
        one.stack = traceback.StackSummary.from_list(theirs)
        one = one.__cause__ or one.__context__
    return "".join(told.format())


def _inside(at: TracebackType | None) -> TracebackType | None:
    """The first frame that is neither the engine's nor the SDK's."""
    while at is not None and at.tb_frame.f_code.co_filename.startswith(_OURS):
        at = at.tb_next
    return at
