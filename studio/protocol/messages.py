"""What crosses between a window (or the command line) and the worker. Frozen values; `codec` turns them into bytes and checks them.

A graph crosses as an edit against one that the worker holds already (`GraphChange`), so that a run of an unchanged graph of
10,000 nodes costs a few bytes. Pixels never cross here: a `Picture` says where in the shared memory they lie.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NewType, TypeAlias

from studio.graph.check import Problem
from studio.graph.edits import AnyEdit, Batch
from studio.graph.graph import NodeId
from studio.graph.spec import Catalog

VERSION: Final = 1
"""Of this file's messages. Both sides must have the same."""

STEPS_A_PAGE: Final = 32
"""Steps that one `StepsFetched` holds at most: half the small slots of the shared memory."""

RunId = NewType("RunId", str)
"""Chosen by whoever asks for the run; unique across restarts."""


@dataclass(frozen=True, slots=True)
class GraphChange:
    """The graph of revision `revision`: that of revision `base`, changed by `edit`. Revision 0 is the empty graph."""

    revision: int
    base: int = 0
    edit: AnyEdit = field(default_factory=lambda: Batch(()))


@dataclass(frozen=True, slots=True)
class Picture:
    """Pixels in the shared memory: 8-bit RGB or RGBA, rows without padding, top row first.

    The slot is reused; the reader compares `sequence` with the slot's own before and after copying, and drops the picture where they
    differ.
    """

    slot: int
    sequence: int
    width: int
    height: int
    channels: int = 3


# From the window to the worker


@dataclass(frozen=True, slots=True)
class Configure:
    """The first message to a worker: how it works, for as long as it lives. Other settings need another worker."""

    version: int = VERSION
    device: str = "auto"
    """`auto`, or a device's name as in `Device`."""
    out: str = ""
    """The folder for outputs of runs that name none. Empty: the library's own."""
    memory: int | None = None
    """Bytes of results that are kept in RAM. None: a share of what the machine has."""
    disk: int | None = None
    """Bytes of results that are kept on disk; 0 keeps none. None: the usual limit."""
    steps: int | None = None
    """Bytes of samplers' steps that are kept on disk; 0, and no disk for results, keep a few in memory. None: the usual limit."""
    store: str = ""
    """The folder of results on disk. Empty: the library's own."""
    catalog: str = ""
    """The file in which the catalog is kept for the next start. Empty: nowhere."""
    plugins: tuple[str, ...] = ()
    """Names of the plugins that the user enabled."""
    plugin_folders: tuple[str, ...] = ()
    """Folders that hold plugins."""


@dataclass(frozen=True, slots=True)
class Run:
    """Compute what the wanted nodes need. Without `wanted`: all nodes that have an effect, or else all that feed no other."""

    run: RunId
    graph: GraphChange
    wanted: tuple[NodeId, ...] = ()
    out: str = ""
    """The folder for outputs. Empty: the library's own."""
    workflow: str = ""
    """The workflow file's text, to be written into outputs. Empty: none is written."""
    previews: bool = True
    """Steps carry pictures, as many as the reader takes: a slow reader misses some, and holds nothing up."""
    every_preview: bool = False
    """Every step carries its picture, and waits for a slow reader. For recordings."""
    pause_node: NodeId | None = None
    """Pause after step `pause_step` of this node, as `Pause` would. It and what needs it do their work even where results are kept."""
    pause_step: int = 0


@dataclass(frozen=True, slots=True)
class Cancel:
    """End the run at its next step."""

    run: RunId


@dataclass(frozen=True, slots=True)
class Pause:
    """Hold the run at its next step."""

    run: RunId


@dataclass(frozen=True, slots=True)
class Resume:
    """Let a paused run go on."""

    run: RunId


@dataclass(frozen=True, slots=True)
class Fetch:
    """Show what an output of a node of the last run holds; answered by `Fetched` with the same `request`."""

    request: int
    node: NodeId
    output: str
    index: int = 0
    """Which item, of a batch or list."""
    largest: int = 8192
    """The picture is scaled down to at most so many pixels wide and high."""


@dataclass(frozen=True, slots=True)
class FetchSteps:
    """Show the steps that a node of the last run has made so far, as they were seen on the way; answered by `StepsFetched` with the same
    `request`."""

    request: int
    node: NodeId
    item: int = 0
    """Which of the runs, where lists made the node sample several times."""
    first: int = 0
    """The first step that is asked for. Step 0 is the noise."""
    count: int = 32
    """At most so many steps; no more than `STEPS_A_PAGE` come at once."""
    largest: int = 256
    """Pictures are scaled down to at most so many pixels wide and high."""


@dataclass(frozen=True, slots=True)
class FetchStep:
    """Show one step large; answered by `StepFetched` with the same `request`."""

    request: int
    node: NodeId
    step: int
    item: int = 0
    largest: int = 8192
    decoded: bool = False
    """Through the node that decodes this sampler's latent, where the graph has one; it takes as long as that node does."""


@dataclass(frozen=True, slots=True)
class Shutdown:
    """Finish what must not be lost, and exit."""


Message: TypeAlias = Configure | Run | Cancel | Pause | Resume | Fetch | FetchSteps | FetchStep | Shutdown


# From the worker to the window


@dataclass(frozen=True, slots=True)
class Device:
    """A place where models run. Memory in bytes; None where the system does not tell."""

    name: str
    title: str
    memory_total: int | None = None
    memory_free: int | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker can run graphs."""

    version: int
    pid: int
    catalog: str
    """Fingerprint of its node types."""
    devices: tuple[Device, ...] = ()


@dataclass(frozen=True, slots=True)
class CatalogSent:
    """All node types, and which plugins were skipped and why (name, sentence)."""

    catalog: Catalog
    broken: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Sent every second by a thread of its own, and so missing while native code holds the interpreter."""

    seconds: float
    """Since the worker started."""
    memory: int
    """Resident bytes of the worker."""
    run: RunId | None = None
    node: NodeId | None = None
    silent: float = 0.0
    """Seconds since the running node last reported anything."""


@dataclass(frozen=True, slots=True)
class Log:
    """A line that node code, or the worker itself, wrote. `level` as in `logging`."""

    text: str
    level: str = "INFO"
    node: NodeId | None = None


@dataclass(frozen=True, slots=True)
class RunRefused:
    """The graph cannot run; nothing was computed, and no `RunFinished` follows."""

    run: RunId
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The plan: nodes to compute in order, and nodes whose kept results are used instead."""

    run: RunId
    planned: int
    cached: tuple[NodeId, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeStarted:
    run: RunId
    node: NodeId


@dataclass(frozen=True, slots=True)
class Stepped:
    """Step `index` (from 1) of `of` is done; `sigma` is the noise level reached. `left`: estimated seconds to the node's end."""

    run: RunId
    node: NodeId
    index: int
    of: int
    sigma: float = 0.0
    left: float | None = None
    preview: Picture | None = None


@dataclass(frozen=True, slots=True)
class Progressed:
    """`done` of `total` of a node's work is done, in a unit of its own. `left`: estimated seconds to the node's end."""

    run: RunId
    node: NodeId
    done: float
    total: float
    left: float | None = None


@dataclass(frozen=True, slots=True)
class NodeFinished:
    """`shown` is a small picture of the first pictorial output, where there is one; `plot` the numbers of the first output that is a row
    of them, as the noise levels of a schedule are."""

    run: RunId
    node: NodeId
    type: str
    seconds: float
    cached: bool = False
    shown: Picture | None = None
    plot: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeFailed:
    """A node raised; what needs it will not run, the rest goes on."""

    run: RunId
    node: NodeId
    type: str
    what: str
    socket: str = ""
    mend: str = ""
    trace: str = ""


@dataclass(frozen=True, slots=True)
class OutputWritten:
    """A file is complete under its final name. `media` is `image`, `audio`, `video` or `other`."""

    run: RunId
    node: NodeId
    path: str
    media: str = "image"


@dataclass(frozen=True, slots=True)
class RunPaused:
    run: RunId
    node: NodeId
    step: int = 0


@dataclass(frozen=True, slots=True)
class RunResumed:
    run: RunId


@dataclass(frozen=True, slots=True)
class RunFinished:
    """`state` is `done`, `failed` (some node failed) or `cancelled`."""

    run: RunId
    state: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Fetched:
    """Answer to `Fetch`: a picture, or a text for what is not a picture; `count` items, `width` x `height` of the whole picture."""

    request: int
    node: NodeId
    output: str
    type: str = ""
    picture: Picture | None = None
    text: str = ""
    count: int = 1
    width: int = 0
    height: int = 0


@dataclass(frozen=True, slots=True)
class KeptStep:
    """A step of a trail; step 0 is the noise. `picture` is None where its state is no longer kept, or not made yet."""

    step: int
    sigma: float
    picture: Picture | None = None


@dataclass(frozen=True, slots=True)
class StepsFetched:
    """Answer to `FetchSteps`: the steps asked for, of a run of `of` steps; `items` runs there are. `of` is 0 where the node has made none,
    and `text` says why. Read the pictures before asking for more: they share a few slots."""

    request: int
    node: NodeId
    item: int = 0
    of: int = 0
    items: int = 0
    steps: tuple[KeptStep, ...] = ()
    text: str = ""


@dataclass(frozen=True, slots=True)
class StepFetched:
    """Answer to `FetchStep`: the picture, `width` x `height` before it was scaled down. Without one, `text` says why not. `decoded` is
    false for the preview's picture, which has a pixel for each of the latent's."""

    request: int
    node: NodeId
    step: int
    sigma: float = 0.0
    picture: Picture | None = None
    decoded: bool = False
    width: int = 0
    height: int = 0
    text: str = ""


Event: TypeAlias = (
    Ready
    | CatalogSent
    | Heartbeat
    | Log
    | RunRefused
    | RunStarted
    | NodeStarted
    | Stepped
    | Progressed
    | NodeFinished
    | NodeFailed
    | OutputWritten
    | RunPaused
    | RunResumed
    | RunFinished
    | Fetched
    | StepsFetched
    | StepFetched
)
