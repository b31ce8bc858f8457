"""Every error of our own, in one tree.

    WirelightError
    +-- DocumentError              a graph or an edit that cannot be
    |   +-- UnknownNode            an edit names a node that is not there
    |   +-- UnknownSocket          a node has no socket of that name
    |   +-- EditRefused            an edit that would break the graph
    |   +-- GraphInvalid           a graph that cannot run; carries every problem
    +-- CodecError                 data from outside that does not have the stated shape
    +-- FileProblem                a file that cannot be read or written
    |   +-- WorkflowUnreadable     not a workflow, damaged, or from a later version
    |   +-- ModelUnreadable        a model file or folder that cannot be used
    |   +-- ModelMissing           no model of that name in the library, or several
    |   +-- WriteFailed            no space, no permission, read-only
    |       +-- ChangedOnDisk      somebody else wrote the file since it was opened
    +-- NodeError                  a node's declaration or its run
    |   +-- DeclarationError       `@node` on a function that cannot be a node
    |   +-- ValueRefused           a value on a socket that is not what the socket takes
    |   +-- NodeFailed             a node raised; carries the node, the socket and the cause
    |   +-- OutOfMemory            a node did not fit, even after making room
    |   +-- StepsLost              a step of a sampler's run that is no longer kept
    +-- Interruption               not a fault: somebody asked for it
    |   +-- Cancelled              the artist cancelled the run
    +-- PluginBroken               a plugin that cannot be listed or imported
    +-- WorkerLost                 the worker process died or stopped answering
    +-- ProtocolError              the two sides of the seam do not understand each other
    +-- Misuse                     a command or setting that cannot be obeyed

An error carries facts as attributes: what happened (`what`), where (`where`) and what to do (`mend`). `str(error)` is the
sentence for a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol


class WirelightError(Exception):
    """Base of all our errors.

    `what` happened, in one sentence. `where`: the node, socket, file or field, empty where there is none. `mend`: what to do about
    it, empty where nothing helps.
    """

    def __init__(self, what: str, *, where: str = "", mend: str = "") -> None:
        super().__init__(what, where, mend)
        self.what = what
        self.where = where
        self.mend = mend

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        cure = f" {self.mend}" if self.mend else ""
        return f"{place}{self.what}{cure}"


class DocumentError(WirelightError):
    """A graph or an edit that cannot be."""


class UnknownNode(DocumentError):
    """An edit or a request names a node that is not in the graph."""

    def __init__(self, node: str, mend: str = "") -> None:
        super().__init__(f"There is no node '{node}'.", where=node, mend=mend)
        self.node = node


class UnknownSocket(DocumentError):
    """A node has no socket or parameter of that name."""

    def __init__(self, node: str, socket: str, known: Sequence[str] = ()) -> None:
        mend = f"It has: {', '.join(known)}." if known else ""
        super().__init__(f"There is no '{socket}'.", where=node, mend=mend)
        self.node = node
        self.socket = socket


class EditRefused(DocumentError):
    """An edit that would break the graph."""


class Finding(Protocol):
    """What `check` finds, as far as an error shows it."""

    @property
    def what(self) -> str: ...
    @property
    def where(self) -> str: ...
    @property
    def mend(self) -> str: ...


class GraphInvalid(DocumentError):
    """A graph that cannot run. `problems` holds every finding of `check`."""

    def __init__(self, problems: Sequence[Finding]) -> None:
        first = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(first.what + more, where=first.where, mend=first.mend)
        self.problems = tuple(problems)


class CodecError(WirelightError):
    """Data from outside that does not have the stated shape. `where` is the path of the field, as `nodes.sampler.version`."""


class FileProblem(WirelightError):
    """A file that cannot be read or written."""

    def __init__(self, path: Path | str, what: str, *, field: str = "", mend: str = "") -> None:
        super().__init__(what, where=f"{path}: {field}" if field else str(path), mend=mend)
        self.path = Path(path)
        self.field = field


class WorkflowUnreadable(FileProblem):
    """Not a workflow, a damaged one, or one from a later version."""


class ModelUnreadable(FileProblem):
    """A model file or folder that is damaged, incomplete, of an unknown family, or not safe to open."""


class ModelMissing(FileProblem):
    """No model of that name in the library, or several. `path` is the name that was asked for."""


class WriteFailed(FileProblem):
    """No space, no permission, or a read-only place."""


class ChangedOnDisk(WriteFailed):
    """The file is no longer what was opened: writing would undo somebody else's work."""

    def __init__(self, path: Path | str) -> None:
        super().__init__(
            path,
            "The file was changed by another program since it was opened.",
            mend="Save under another name, or overwrite it.",
        )


class NodeError(WirelightError):
    """A node's declaration or its run."""


class DeclarationError(NodeError):
    """`@node` was put on a function that cannot be a node."""


class ValueRefused(NodeError):
    """A value on a socket that is not what the socket takes: type, shape, dtype, range, or not finite."""

    def __init__(self, what: str, *, node: str = "", socket: str = "", mend: str = "") -> None:
        super().__init__(what, where=".".join(part for part in (node, socket) if part), mend=mend)
        self.node = node
        self.socket = socket


class NodeFailed(NodeError):
    """A node raised. `node` is its id, `type` its type, `socket` the offending socket where known, `trace` the node's own traceback."""

    def __init__(self, what: str, *, node: str, type: str, socket: str = "", mend: str = "", trace: str = "") -> None:
        super().__init__(what, where=f"{node}.{socket}" if socket else node, mend=mend)
        self.node = node
        self.type = type
        self.socket = socket
        self.trace = trace


class OutOfMemory(NodeError):
    """A node did not fit into memory, even after everything else was moved out."""

    def __init__(self, device: str, needed: int | None = None, mend: str = "") -> None:
        size = f" ({needed / 2**30:.1f} GiB more were asked for)" if needed else ""
        super().__init__(
            f"{device} has too little memory{size}.",
            mend=mend
            or "Make the picture smaller, lower the batch size, or choose a smaller number format for the model.",
        )
        self.device = device
        self.needed = needed


class StepsLost(NodeError):
    """A step of a sampler's run that is no longer kept. The run that made it is computed anew; only where even that does not help, the
    artist hears of it."""

    def __init__(self, step: int, socket: str = "") -> None:
        super().__init__(
            f"Step {step} of that run is no longer kept.",
            where=socket,
            mend="Give steps more room (disk_steps in the settings file, in GiB), or sample fewer or smaller pictures at once.",
        )
        self.step = step
        self.socket = socket


class Interruption(WirelightError):
    """Not a fault: somebody asked for it."""


class Cancelled(Interruption):
    """The artist cancelled the run."""

    def __init__(self) -> None:
        super().__init__("Cancelled.")


class PluginBroken(WirelightError):
    """A plugin that cannot be listed or imported. `plugin` is its name or folder."""

    def __init__(self, plugin: str, what: str, mend: str = "") -> None:
        super().__init__(what, where=f"plugin {plugin}", mend=mend)
        self.plugin = plugin


class WorkerLost(WirelightError):
    """The worker process died or stopped answering. `node` is what it was working on, empty where unknown."""

    def __init__(self, what: str, node: str = "", mend: str = "") -> None:
        super().__init__(what, where=node, mend=mend)
        self.node = node


class ProtocolError(WirelightError):
    """The two sides of the seam do not understand each other."""


class Misuse(WirelightError):
    """A command line, setting or request that cannot be obeyed."""
